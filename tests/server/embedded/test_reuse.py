"""What is computed once, and that this changes nothing."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from server.embedded.decoding import PREFILL_TOKENS
from server.embedded.llama import Llama

from .decoders import PROMPT, REQUEST, Bench, assert_plain, assert_same, first_tokens


@pytest.fixture
def bench(model: Llama) -> Bench:
    return Bench(model)


class CountingModel:
    """Counts what goes through the real one."""

    def __init__(self, model: Llama) -> None:
        self.config, self.parameters, self.logits, self.fed = (
            model.config,
            model.parameters,
            model.logits,
            Counter[int](),
        )
        self._forward = model.forward

    def forward(self, tokens: np.ndarray, *rest: np.ndarray) -> np.ndarray:
        self.fed[tokens.shape[1]] += tokens.size
        return self._forward(tokens, *rest)


def test_a_prompt_is_computed_once_for_all_its_samples(model: Llama):
    counting = CountingModel(model)
    Bench(counting).run(replace(REQUEST, seeds=tuple(range(8)), max_tokens=4))  # pyright: ignore[reportArgumentType]
    assert counting.fed == {len(PROMPT) - 1: len(PROMPT) - 1, 1: 8 * 4}


def test_a_step_is_continued_from_the_cache_as_if_there_were_none(model: Llama):
    end = first_tokens(model, 8)[7]
    counting = CountingModel(model)
    bench = Bench(counting)  # pyright: ignore[reportArgumentType]
    (step,) = bench.run(replace(REQUEST, step_end=end))
    counting.fed.clear()
    continued = replace(REQUEST, tokens=PROMPT + step.ids, temperature=1.0, seeds=tuple(range(3)))
    cached = bench.run(continued)
    assert set(counting.fed) == {1}, "something was computed again"
    for a, b in zip(cached, Bench(model).run(continued), strict=True):
        assert_same(a, b)


def test_known_and_unknown_prompts_start_together(bench: Bench):
    bench.run(REQUEST)
    prompts = [PROMPT, (1, 3, 91, 92, 93, 94, 95, 4), PROMPT[:4], (1, 3, 96, 4)]
    orders = [bench.order(replace(REQUEST, tokens=prompt, seeds=(0, 1))) for prompt in prompts]
    bench.finish()
    for prompt, order in zip(prompts, orders, strict=True):
        for completion in bench.of(order):
            assert_plain(completion, prompt)


def test_a_cache_without_room_changes_nothing(model: Llama):
    end = first_tokens(model, 8)[7]
    bench = Bench(model, cache=0)
    (step,) = bench.run(replace(REQUEST, step_end=end))
    (rest,) = bench.run(replace(REQUEST, tokens=PROMPT + step.ids, max_tokens=5))
    assert_plain(rest, PROMPT + step.ids)


def test_long_prompts_are_admitted_a_few_at_a_time(bench: Bench):
    prompts = [(first, *range(100, 190)) for first in range(20, 40)]
    orders = [bench.order(replace(REQUEST, tokens=prompt, max_tokens=3)) for prompt in prompts]
    bench.done += bench.decoder.step()
    assert bench.decoder.live == PREFILL_TOKENS // 90
    bench.finish()
    for prompt, order in zip(prompts, orders, strict=True):
        assert_plain(bench.of(order)[0], prompt)
