import asyncio
from contextlib import aclosing
from dataclasses import replace

import pytest

from router.ports import GeneratorError, Tally
from router.types import Finish
from server.generators import PoolGenerator
from server.upstream import PoolOptions
from tests.fakes.vllm import FakeVLLM

from .conftest import QUESTION, MakeFake, MakeGenerator, drawn, ordered, until


@pytest.fixture
async def pair(make_fake: MakeFake, make_generator: MakeGenerator) -> tuple[PoolGenerator, list[FakeVLLM]]:
    """A generator over two servers, the first of which is the one that is preferred."""
    fakes = [await make_fake(), await make_fake()]
    generator = await make_generator(*fakes)
    await drawn(generator, ordered())
    fakes.sort(key=lambda fake: -fake.stats["calls"])
    for fake in fakes:
        fake.stats = dict.fromkeys(fake.stats, 0)
        fake.bodies.clear()
    return generator, fakes


Pair = tuple[PoolGenerator, list[FakeVLLM]]


@pytest.mark.parametrize("kind", ["500", "503", "drop"])
async def test_what_fails_before_its_first_token_is_drawn_elsewhere(pair: Pair, kind: str):
    generator, (first, second) = pair
    want = [s.text for s in await drawn(generator, ordered(4))]
    first.fail(kind)
    tally = Tally()
    samples = await drawn(generator, ordered(4), tally)
    assert [s.text for s in samples] == want
    assert tally.tokens == sum(s.tokens for s in samples)
    assert second.stats["finished"] == 4


@pytest.mark.parametrize("kind", ["drop", "half", "garbage", "error", "abort"])
async def test_what_breaks_off_goes_on_elsewhere_and_nothing_is_generated_twice(pair: Pair, kind: str):
    generator, (first, second) = pair
    first.fail(kind, after_chunks=6, times=1)
    tally = Tally()
    samples = await drawn(generator, ordered(4), tally)
    assert len(samples) == 4
    assert all(s.finish is Finish.EOS and "boxed" in s.text for s in samples)
    assert all(len(s.ids) == s.tokens for s in samples)
    assert tally.tokens == sum(s.tokens for s in samples) == first.stats["tokens"] + second.stats["tokens"]
    prompts = [len(body["prompt"]) for body in second.bodies]
    assert sorted(prompts) == [11, 11, 19, 19]  # 10 of the question, a token each, and 8 more of the first two
    assert {body["n"] for body in second.bodies} == {1}
    assert sorted(body["max_tokens"] for body in second.bodies) == [191, 191, 199, 199]


async def test_no_text_is_lost_that_might_have_become_a_stop_string(pair: Pair):
    generator, (first, _) = pair
    order = ordered(2, problem=replace(QUESTION, stop=("z" * 12,)))
    want = [s.text for s in await drawn(generator, order)]
    first.fail("drop", after_chunks=3, times=1)
    assert [s.text for s in await drawn(generator, order)] == want


async def test_one_lost_sample_is_one_lost_sample(make_generator: MakeGenerator, fake: FakeVLLM):
    generator = await make_generator(fake, samples_per_call=1, pool=PoolOptions(health_seconds=0, retry_ratio=0.0))
    await drawn(generator, ordered(1))
    fake.fail("500", times=6)
    samples = await drawn(generator, ordered(8))
    assert 1 <= len(samples) < 8
    assert all(s.finish is Finish.EOS for s in samples)


async def test_when_all_are_lost_the_reason_is_told(generator: PoolGenerator, fake: FakeVLLM):
    fake.fail("500")
    with pytest.raises(GeneratorError, match="told to fail") as caught:
        await drawn(generator, ordered(4))
    assert not caught.value.refusal


async def test_a_prompt_that_cannot_be_rendered_for_want_of_a_server_is_an_error(
    make_generator: MakeGenerator, fake: FakeVLLM
):
    generator = await make_generator(fake)
    await fake.aclose()
    with pytest.raises(GeneratorError, match=r"cannot be connected|no replica|gives no answer") as caught:
        await generator.measure(ordered().problem)
    assert not caught.value.refusal


async def test_at_the_deadline_all_that_has_come_is_delivered(generator: PoolGenerator, fake: FakeVLLM):
    fake.fail("slow", seconds=0.15)
    tally = Tally()
    samples = await drawn(generator, ordered(4, seconds=1.0), tally)
    assert [s.finish for s in samples] == [Finish.LENGTH] * 4
    assert all(s.tokens < 10 and len(s.ids) == s.tokens for s in samples)
    assert any(s.tokens for s in samples)
    assert tally.tokens == sum(s.tokens for s in samples)
    await until(lambda: fake.running == 0)


async def test_a_silent_server_costs_no_more_than_the_deadline(generator: PoolGenerator, fake: FakeVLLM):
    await generator.measure(ordered().problem)
    fake.fail("silence")
    samples = await drawn(generator, ordered(2, seconds=0.2))
    assert [(s.tokens, s.finish) for s in samples] == [(0, Finish.LENGTH)] * 2


async def test_what_has_come_of_a_sample_that_waits_at_the_deadline_is_delivered(
    generator: PoolGenerator, fake: FakeVLLM, monkeypatch: pytest.MonkeyPatch
):
    async def until_it_is_too_late(_: object, deadline: float, _tries: int) -> bool:
        await asyncio.sleep(deadline - asyncio.get_running_loop().time() + 0.01)
        return False

    monkeypatch.setattr(generator.pool, "patience", until_it_is_too_late)
    monkeypatch.setattr("server.generators.dialects.vllm.ALONE", 8)
    await drawn(generator, ordered())
    fake.fail("drop", after_chunks=2)  # a token, and 8 more
    samples = await drawn(generator, ordered(seconds=0.5))
    assert [(s.tokens, s.finish) for s in samples] == [(9, Finish.LENGTH)]


async def test_closing_aborts_what_is_under_way(generator: PoolGenerator, fake: FakeVLLM):
    fake.fail("slow", seconds=0.01)
    tally = Tally()
    async with aclosing(generator.sample(ordered(8), tally)) as samples:
        reading = asyncio.ensure_future(anext(samples))
        await until(lambda: tally.tokens > 3)
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
    await until(lambda: fake.running == 0)
    assert fake.stats["aborted"] == 8
    assert 3 < tally.tokens <= fake.stats["tokens"]
    assert sum(replica.load for replica in generator.pool.replicas) == 0


async def test_closing_behind_the_first_sample_aborts_the_others(generator: PoolGenerator, fake: FakeVLLM):
    await drawn(generator, ordered())
    fake.fail("slow", seconds=0.001)
    async with aclosing(generator.sample(ordered(8), Tally())) as samples:
        index, _ = await anext(samples)
        assert 0 <= index < 8
    await until(lambda: fake.running == 0)
    assert not [task for task in asyncio.all_tasks() if "Drawing" in repr(task)]


async def test_a_mistake_of_ours_is_not_swallowed(generator: PoolGenerator, monkeypatch: pytest.MonkeyPatch):
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("server.generators.drawing.read", broken)
    with pytest.raises(ZeroDivisionError):
        await drawn(generator, ordered(2))
