from dataclasses import replace

import numpy as np
import pytest

from router.types import Finish
from server.embedded.llama import Llama

from .checkpoints import SIZES, plain_logprobs
from .decoders import PROMPT, REQUEST, TENSORS, Bench, assert_plain, assert_same, first_tokens


@pytest.fixture
def bench(model: Llama) -> Bench:
    return Bench(model)


def test_greedy_decoding_equals_the_plain_computation(bench: Bench):
    (completion,) = bench.run(REQUEST)
    assert len(completion.ids) == 10
    assert completion.finish is Finish.LENGTH
    assert_plain(completion)


def test_prompts_of_different_lengths_are_decoded_together(bench: Bench):
    prompts = [(1, 3, *range(20, 20 + length), 4) for length in (1, 30, 7, 0, 12)]
    orders = [bench.order(replace(REQUEST, tokens=prompt)) for prompt in prompts]
    bench.finish()
    for prompt, order in zip(prompts, orders, strict=True):
        assert_plain(bench.of(order)[0], prompt)


def test_requests_join_while_others_run(bench: Bench):
    first = bench.order(replace(REQUEST, max_tokens=20))
    for _ in range(7):
        bench.done += bench.decoder.step()
    second = bench.order(replace(REQUEST, tokens=(1, 3, 99, 4)))
    bench.finish()
    assert_plain(bench.of(first)[0])
    assert_plain(bench.of(second)[0], (1, 3, 99, 4))


def test_a_prompt_of_one_token_works(bench: Bench):
    assert_plain(bench.run(replace(REQUEST, tokens=(1,)))[0], (1,))


def test_a_sample_is_the_same_alone_and_among_63_others(model: Llama):
    request = replace(REQUEST, temperature=1.0, top_p=0.9, max_tokens=30)
    together = Bench(model)
    own = together.order(replace(request, seeds=(100,)))
    together.order(replace(request, seeds=tuple(range(62))))
    together.order(replace(request, tokens=(1, 3, 9, 9, 9, 9, 4), seeds=(5,), temperature=0.0))
    together.finish()
    (alone,) = Bench(model).run(replace(request, seeds=(100,)))
    assert_same(alone, together.of(own)[0])


def test_samples_with_different_seeds_differ_and_come_again(model: Llama):
    request = replace(REQUEST, seeds=tuple(range(16)), temperature=1.0)
    first, second = Bench(model).run(request), Bench(model).run(request)
    assert len({completion.ids for completion in first}) == 16
    for a, b in zip(first, second, strict=True):
        assert_same(a, b)


def test_log_probabilities_do_not_depend_on_the_temperature(bench: Bench):
    (completion,) = bench.run(replace(REQUEST, temperature=3.0, top_p=0.9))
    after = plain_logprobs(TENSORS, SIZES, [*PROMPT, *completion.ids])[len(PROMPT) - 1 : -1]
    np.testing.assert_allclose(completion.logprobs, after[range(10), completion.ids], atol=1e-4)


def test_banned_tokens_never_come(model: Llama):
    banned = tuple(token for token in range(768) if token not in {7, 300, 301})
    completions = Bench(model, banned=banned).run(replace(REQUEST, seeds=tuple(range(20)), temperature=1.0))
    assert {token for completion in completions for token in completion.ids} == {7, 300, 301}
    (greedy,) = Bench(model, banned=banned).run(REQUEST)
    assert set(greedy.ids) <= {7, 300, 301}


def test_a_step_ends_at_its_token_which_belongs_to_it(model: Llama, bench: Bench):
    expected = first_tokens(model, 8)
    end = expected.index(expected[7])
    (completion,) = bench.run(replace(REQUEST, step_end=expected[7]))
    assert completion.ids == expected[: end + 1]
    assert completion.finish is Finish.STEP


def test_the_end_of_text_ends_a_row(model: Llama):
    only_eos = tuple(token for token in range(768) if token != 2)
    (completion,) = Bench(model, banned=only_eos).run(replace(REQUEST, step_end=2))
    assert completion.ids == (2,)
    assert completion.finish is Finish.EOS


def test_a_row_ends_where_the_context_ends(model: Llama, bench: Bench):
    context = model.config.context
    prompt = tuple(range(10, 10 + context - 5))
    (completion,) = bench.run(replace(REQUEST, tokens=prompt, max_tokens=999))
    assert len(completion.ids) == 5
    assert completion.finish is Finish.LENGTH
    assert_plain(completion, prompt)


@pytest.mark.parametrize("changes", [{"max_tokens": 0}, {"tokens": tuple(range(10, 106))}])
def test_where_there_is_no_room_a_row_ends_at_once(bench: Bench, changes: dict[str, object]):
    completions = bench.run(replace(REQUEST, seeds=(0, 1), **changes))
    assert [(c.ids, c.finish) for c in completions] == [((), Finish.LENGTH)] * 2


def test_a_deadline_cuts_a_row_with_what_it_has(bench: Bench):
    order = bench.order(replace(REQUEST, deadline=3.0, max_tokens=50))
    while bench.decoder.busy:
        bench.clock.now += 1.0
        bench.done += bench.decoder.step()
    (completion,) = bench.of(order)
    assert len(completion.ids) == 3
    assert completion.finish is Finish.LENGTH
    assert_plain(completion)


def test_a_deadline_ends_what_still_waits(model: Llama):
    bench = Bench(model, max_rows=2)
    running = bench.order(replace(REQUEST, seeds=(0, 1), max_tokens=50))
    waiting = bench.order(replace(REQUEST, seeds=(0, 1), deadline=1.0))
    bench.done += bench.decoder.step()
    bench.clock.now = 1.0
    bench.done += bench.decoder.step()
    assert [c.ids for c in bench.of(waiting)] == [(), ()]
    bench.finish()
    assert [len(c.ids) for c in bench.of(running)] == [50, 50]


def test_more_samples_than_rows_take_turns_first_come_first_served(model: Llama):
    bench = Bench(model, max_rows=4)
    first = bench.order(replace(REQUEST, seeds=tuple(range(6)), temperature=1.0))
    second = bench.order(replace(REQUEST, seeds=tuple(range(6)), temperature=1.0))
    most = 0
    while bench.decoder.busy:
        bench.done += bench.decoder.step()
        most = max(most, bench.decoder.live)
    assert most == 4
    assert [order is first for order, _, _ in bench.done] == [True] * 6 + [False] * 6
    for a, b in zip(bench.of(first), bench.of(second), strict=True):
        assert_same(a, b)


def test_rows_that_end_at_different_times_do_not_disturb_the_others(model: Llama):
    bench = Bench(model)
    orders = [bench.order(replace(REQUEST, tokens=(1, 3, 40 + i, 4), max_tokens=1 + i * 7 % 23)) for i in range(23)]
    bench.finish()
    for i, order in enumerate(orders):
        (completion,) = bench.of(order)
        assert len(completion.ids) == 1 + i * 7 % 23
        assert_plain(completion, (1, 3, 40 + i, 4))


def test_cancelling_frees_the_rows_and_leaves_the_others_alone(model: Llama):
    bench = Bench(model, max_rows=8)
    doomed = bench.order(replace(REQUEST, seeds=tuple(range(7)), max_tokens=80))
    kept = bench.order(replace(REQUEST, max_tokens=20))
    waiting = bench.order(replace(REQUEST, seeds=tuple(range(8))))
    for _ in range(5):
        bench.done += bench.decoder.step()
    doomed.cancelled = True
    bench.done += bench.decoder.step()
    assert bench.decoder.live == 8
    charged = doomed.charge.tokens
    waiting.cancelled = True
    bench.finish()
    assert charged == doomed.charge.tokens == 7 * 5
    assert_plain(bench.of(kept)[0])
    assert bench.of(doomed) == bench.of(waiting) == []


def test_cancelling_what_waits_removes_it(model: Llama):
    bench = Bench(model, max_rows=1)
    bench.order(replace(REQUEST, max_tokens=3))
    waiting = bench.order(REQUEST)
    bench.decoder.step()
    waiting.cancelled = True
    bench.finish()
    assert bench.of(waiting) == []


def test_every_generated_token_is_charged(bench: Bench):
    request = replace(REQUEST, seeds=tuple(range(5)), temperature=1.0, step_end=300, max_tokens=40)
    order = bench.order(request)
    bench.finish()
    assert order.charge.tokens == sum(len(completion.ids) for completion in bench.of(order))


def test_a_watch_hears_every_token_and_can_end_its_row(bench: Bench, model: Llama):
    expected = first_tokens(model, 6)
    heard: list[int] = []

    def watch(token: int) -> bool:
        heard.append(token)
        return len(heard) == 6

    completions = bench.run(replace(REQUEST, seeds=(0, 1), watches=(None, watch)))
    assert tuple(heard) == completions[1].ids == expected
    assert completions[1].finish is Finish.EOS
    assert completions[0].finish is Finish.LENGTH


def test_after_a_reset_nothing_is_left(bench: Bench):
    bench.order(replace(REQUEST, seeds=(0, 1)))
    bench.decoder.step()
    bench.order(REQUEST)
    bench.decoder.reset()
    assert not bench.decoder.busy
    assert_plain(bench.run(REQUEST)[0])
