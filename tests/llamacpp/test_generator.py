"""The generator's port over llama.cpp's server, which has its own names, defaults and habits for most of it."""

import asyncio
from dataclasses import replace
from typing import Any

import httpx
import pytest

from router.ports import Draw, Generator, ProblemTooLong, Tally
from router.types import Candidate, Finish, Message, Problem
from server.embedded import Embedded
from server.embedded.problems.splits import draw
from server.embedded.tokenizer import Tokenizer
from server.generators import PoolGenerator

from .process import WEIGHTS

HARD = Problem((Message("user", draw("test", 1, seed=11)[2].question),))
EASY = Problem((Message("user", "What is 3 + 4?"),))


async def test_without_chance_the_steps_are_those_of_the_embedded_model(generator: PoolGenerator, models: Embedded):
    for task in draw("test", 1, seed=11):
        problem = Problem((Message("user", task.question),))
        walked, embedded = await _walked(generator, problem), await _walked(models.generator, problem)
        assert (walked.text, walked.finish) == (embedded.text, embedded.finish)
        assert walked.finish is Finish.EOS


async def _walked(generator: Generator, problem: Problem) -> Candidate:
    """Go to the end of the answer one step at a time."""
    candidate = Candidate()
    while not candidate.finished:
        step = Draw(problem, candidate, count=1, seed=0, max_tokens=200, whole=False, temperature=0.0)
        (_, sample), *none = [sampled async for sampled in generator.sample(step, Tally())]
        assert not none
        candidate = candidate.extended(0, sample)
    return candidate


@pytest.mark.parametrize("generator", ["auto"], indirect=True)
async def test_no_truncation_of_the_servers_own_takes_chance_away(generator: PoolGenerator):
    """Its defaults keep a token only if it has a twentieth of the best one's probability: this model's one, mostly."""
    order = Draw(EASY, Candidate(), count=16, seed=0, max_tokens=8, whole=True, temperature=3.0)
    texts = {sample.text async for _, sample in generator.sample(order, Tally())}
    assert len(texts) == 16


@pytest.mark.parametrize("generator", ["auto"], indirect=True)
@pytest.mark.parametrize(
    "extra",
    [
        {"repetition_penalty": 1.1},
        {"presence_penalty": 0.5, "frequency_penalty": 0.5},
        {"top_k": -1, "min_p": 0.1},
        {"logit_bias": {"24": -100}},
    ],
    ids=lambda extra: next(iter(extra)),
)
async def test_the_clients_own_sampling_fields_are_taken(generator: PoolGenerator, extra: dict[str, Any]):
    order = Draw(replace(EASY, extra=extra), Candidate(), count=1, seed=0, max_tokens=100, whole=True, temperature=0.0)
    (sample,) = [sample async for _, sample in generator.sample(order, Tally())]
    assert ("1" in sample.text) is ("logit_bias" not in extra)


@pytest.mark.parametrize("generator", ["auto"], indirect=True)
async def test_log_probabilities_come_one_a_token(generator: PoolGenerator):
    problem = replace(EASY, extra={"logprobs": True, "top_logprobs": 2})
    order = Draw(problem, Candidate(), count=1, seed=0, max_tokens=100, whole=True, temperature=0.0)
    (sample,) = [sample async for _, sample in generator.sample(order, Tally())]
    assert len(sample.logprobs) == sample.tokens == len(sample.ids)
    assert "".join(entry["token"] for entry in sample.logprobs) == sample.text
    assert all(len(entry["top_logprobs"]) == 2 for entry in sample.logprobs)
    assert sample.logprob == pytest.approx(sum(entry["logprob"] for entry in sample.logprobs))


async def test_the_same_seed_gives_the_same_text(generator: PoolGenerator):
    order = Draw(HARD, Candidate(), count=3, seed=2**40 + 1, max_tokens=60, whole=True, temperature=1.0)
    one, two = [{j: s.text async for j, s in generator.sample(order, Tally())} for _ in range(2)]
    alone = replace(order, count=1, seed=2**40 + 3)
    assert one == two
    assert [s.text async for _, s in generator.sample(alone, Tally())] == [one[2]]


async def test_every_token_is_tallied(generator: PoolGenerator):
    order = Draw(HARD, Candidate(), count=12, seed=0, max_tokens=200, whole=True, temperature=1.0)
    tally = Tally()
    samples = [sample async for _, sample in generator.sample(order, tally)]
    tokenizer = Tokenizer(WEIGHTS)
    assert len(samples) == 12
    assert tally.tokens == sum(sample.tokens for sample in samples)
    assert tally.tokens == sum(len(tokenizer.encode(s.text)) + (s.finish is Finish.EOS) for s in samples)


@pytest.mark.parametrize("generator", ["auto"], indirect=True)
async def test_a_question_beyond_the_context_of_one_slot_is_told_by_its_length(generator: PoolGenerator):
    with pytest.raises(ProblemTooLong) as caught:
        await generator.measure(Problem((Message("user", "x " * 600),)))
    assert caught.value.context == 512
    assert caught.value.prompt_tokens > 600


async def test_at_the_deadline_all_that_was_written_is_delivered(generator: PoolGenerator):
    """Sixty-four samples share eight slots: some have not begun."""
    deadline = asyncio.get_running_loop().time() + 0.3
    problem = replace(EASY, extra={"ignore_eos": True})
    order = Draw(problem, Candidate(), 64, seed=0, max_tokens=480, whole=True, temperature=1.0, deadline=deadline)
    tally = Tally()
    samples = [sample async for _, sample in generator.sample(order, tally)]
    assert asyncio.get_running_loop().time() < deadline + 0.25
    assert len(samples) == 64
    assert tally.tokens == sum(sample.tokens for sample in samples)
    assert {sample.finish for sample in samples} == {Finish.LENGTH}
    assert any(0 < sample.tokens < 480 for sample in samples)


async def test_an_abandoned_draw_frees_the_server_within_a_quarter_second(address: str, generator: PoolGenerator):
    problem = replace(EASY, extra={"ignore_eos": True})
    order = Draw(problem, Candidate(), count=16, seed=0, max_tokens=480, whole=True, temperature=1.0)
    tally, begun = Tally(), asyncio.Event()

    async def consume() -> None:
        async for _ in generator.sample(order, tally, lambda _: begun.set()):
            pass

    async with httpx.AsyncClient(base_url=address) as client:
        task = asyncio.create_task(consume())
        await asyncio.wait_for(begun.wait(), 10)
        task.cancel()
        async with asyncio.timeout(0.25):
            await asyncio.gather(task, return_exceptions=True)
            while await _busy(client):  # noqa: ASYNC110 - only asking tells
                await asyncio.sleep(0.005)
    assert 0 < tally.tokens < 16 * 480


async def _busy(client: httpx.AsyncClient) -> bool:
    return any(slot["is_processing"] for slot in (await client.get("/slots")).json())
