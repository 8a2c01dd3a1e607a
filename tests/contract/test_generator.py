"""Our generator keeps its port's promises on every backend, and every backend gives the same greedy answers."""

import asyncio
from contextlib import aclosing
from dataclasses import replace
from types import MappingProxyType

import httpx
import pytest

from router.ports import Draw, GeneratorError, ProblemTooLong, Tally
from router.types import ROOT, Candidate, Finish, Message, Problem, Sample
from server.generators import PoolGenerator

from .conftest import Backend

QUESTION = Problem((Message("user", "What is 3 + 4 * 2?"),))
ANSWER = (
    "## Step 1: 4 * 2 = 8, so it becomes 3 + 8.\n\n## Step 2: 3 + 8 = 11.\n\n"
    "Therefore, the final answer is: $\\boxed{11}$."
)


def ordered(count: int = 1, *, problem: Problem = QUESTION, prefix: Candidate = ROOT, **fields: object) -> Draw:
    draw = Draw(problem, prefix, count, seed=7, max_tokens=200, whole=True, temperature=0.0)
    return replace(draw, **fields)  # pyright: ignore[reportArgumentType] - a test's shorthand


async def drawn(generator: PoolGenerator, draw: Draw, tally: Tally | None = None) -> list[Sample]:
    samples = {index: sample async for index, sample in generator.sample(draw, tally or Tally())}
    return [samples[index] for index in sorted(samples)]


async def test_the_prompt_is_counted(generator: PoolGenerator):
    measure = await generator.measure(QUESTION)
    assert 10 <= measure.prompt_tokens <= 20  # exactly 10; a chat endpoint leaves us to guess
    assert measure.prompt_tokens + measure.room == 512


async def test_a_prompt_without_room_is_too_long(generator: PoolGenerator):
    with pytest.raises(ProblemTooLong):
        await generator.measure(Problem((Message("user", "1 + " * 1000),)))


async def test_the_greedy_answer_is_the_models(generator: PoolGenerator):
    tally = Tally()
    sample = (await drawn(generator, ordered(), tally))[0]
    assert (sample.text, sample.tokens, sample.finish) == (ANSWER, 30, Finish.EOS)
    assert tally.tokens == 30


async def test_step_by_step_the_same_answer_comes(generator: PoolGenerator):
    path, finishes = ROOT, list[Finish]()
    while not path.finished:
        path = path.extended(0, (await drawn(generator, ordered(prefix=path, whole=False)))[0])
        finishes.append(path.finish)
    assert path.text == ANSWER
    assert finishes == [Finish.STEP, Finish.STEP, Finish.EOS]


async def test_exactly_as_many_samples_come_as_are_asked_for(generator: PoolGenerator):
    tally = Tally()
    samples = await drawn(generator, ordered(8, temperature=1.5), tally)
    assert len(samples) == 8
    assert tally.tokens == sum(sample.tokens for sample in samples)
    assert all(sample.tokens <= 200 for sample in samples)
    assert sum("boxed" in sample.text for sample in samples) >= 6


async def test_the_same_seed_gives_the_same_sample(generator: PoolGenerator):
    # One at a time: who else is in the batch may change the last digits, and with them a sample this hot.
    draws = [ordered(temperature=2.0, max_tokens=20, seed=seed) for seed in (7, 7, 8, 8)]
    first, first_again, second, second_again = [(await drawn(generator, draw))[0].text for draw in draws]
    assert (first, second) == (first_again, second_again)


async def test_a_limit_is_kept(generator: PoolGenerator):
    sample = (await drawn(generator, ordered(max_tokens=6)))[0]
    assert (sample.tokens, sample.finish) == (6, Finish.LENGTH)
    assert ANSWER.startswith(sample.text)


async def test_a_clients_stop_string_ends_the_answer(generator: PoolGenerator):
    sample = (await drawn(generator, ordered(problem=replace(QUESTION, stop=("Step 2",)))))[0]
    assert (sample.text, sample.finish) == (ANSWER[: ANSWER.index("Step 2")], Finish.EOS)


async def test_text_comes_while_it_is_written(generator: PoolGenerator):
    pieces = list[str]()
    samples = [sample async for _, sample in generator.sample(ordered(), Tally(), pieces.append)]
    assert len(pieces) > 1
    assert "".join(pieces) == samples[0].text == ANSWER


async def test_log_probabilities_are_the_clients(generator: PoolGenerator):
    extra = MappingProxyType({"logprobs": True, "top_logprobs": 1})
    sample = (await drawn(generator, ordered(problem=replace(QUESTION, extra=extra))))[0]
    assert len(sample.logprobs) in (29, 30)  # some say nothing of the end
    assert -1.0 < sample.logprob < 0.0
    assert {len(entry["top_logprobs"]) for entry in sample.logprobs[:-1]} == {1}
    assert ANSWER.startswith("".join(entry["token"] for entry in sample.logprobs[:10]))


async def test_sampling_fields_are_taken(generator: PoolGenerator):
    extra = MappingProxyType({"top_k": 1, "min_p": 0.1, "repetition_penalty": 1.0, "logit_bias": {"3": -1.0}})
    samples = await drawn(generator, ordered(2, problem=replace(QUESTION, extra=extra), temperature=1.0))
    assert [sample.text for sample in samples] == [ANSWER] * 2


async def test_what_makes_no_sense_is_a_refusal(generator: PoolGenerator):
    extra = MappingProxyType({"presence_penalty": "much"})
    with pytest.raises(GeneratorError) as caught:
        await drawn(generator, ordered(problem=replace(QUESTION, extra=extra)))
    assert caught.value.refusal


async def test_closing_aborts_everything_within_a_quarter_of_a_second(
    generator: PoolGenerator, client: httpx.AsyncClient, vllm: Backend
):
    if vllm.kind == "fake":
        await client.post("/fault", json={"kind": "slow", "seconds": 0.01})
    # Of three tries the best: what else keeps the machine busy is not to be measured.
    seconds = list[float]()
    while len(seconds) < 3 and min(seconds, default=1.0) > 0.25:
        seconds.append(await seconds_to_abort(generator, client))
    assert min(seconds) <= 0.25


async def seconds_to_abort(generator: PoolGenerator, client: httpx.AsyncClient) -> float:
    """Close a draw of 8 long samples once they run; return the time until its server runs none of them."""
    extra = MappingProxyType({"min_tokens": 400})
    draw = ordered(8, problem=replace(QUESTION, extra=extra), temperature=2.0, max_tokens=400)
    tally, loop = Tally(), asyncio.get_running_loop()
    async with asyncio.timeout(30):
        async with aclosing(generator.sample(draw, tally)) as samples:
            reading = asyncio.ensure_future(anext(samples))
            while tally.tokens < 8:  # noqa: ASYNC110 - the server's doing
                await asyncio.sleep(0.001)
            assert await running(client) > 0
            closed = loop.time()
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
        while await running(client):  # noqa: ASYNC110 - the server's doing
            await asyncio.sleep(0.01)
        return loop.time() - closed


async def running(client: httpx.AsyncClient) -> float:
    lines = (await client.get("/metrics")).text.splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith("vllm:num_requests_running{"))


async def test_at_the_deadline_what_there_is_is_delivered(
    generator: PoolGenerator, vllm: Backend, client: httpx.AsyncClient
):
    if vllm.kind == "fake":
        await client.post("/fault", json={"kind": "slow", "seconds": 0.05})
    late = list[float]()  # of three tries the best, as above
    while len(late) < 3 and min(late, default=1.0) > 0.25:
        late.append(await seconds_late(generator))
    assert min(late) <= 0.25


async def seconds_late(generator: PoolGenerator) -> float:
    """Draw long samples with little time; return by how much they were late."""
    extra = MappingProxyType({"min_tokens": 480})
    deadline = asyncio.get_running_loop().time() + 0.5
    draw = ordered(4, problem=replace(QUESTION, extra=extra), temperature=2.0, max_tokens=480, deadline=deadline)
    samples = await drawn(generator, draw)
    assert [sample.finish for sample in samples] == [Finish.LENGTH] * 4
    return asyncio.get_running_loop().time() - deadline
