"""The stopwatch on the router's ports."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing

import pytest

from router.ports import Draw, GeneratorError, Measure, ScorerError, Tally
from router.testing import FakeGenerator, FakeScorer, run
from router.types import ROOT, Message, Problem, Sample
from server.gateway.metering import Meter, MeteredGenerator, MeteredScorer
from server.report import Port

PROBLEM = Problem((Message("user", "how much is it"),))


def metered(use: Callable[[Meter, MeteredGenerator], Awaitable[None]], generator: FakeGenerator) -> Meter:
    """Let `use` draw on a clock on which only waiting takes time."""

    async def main() -> Meter:
        meter = Meter(asyncio.get_running_loop().time)
        await use(meter, MeteredGenerator(generator, meter))
        return meter

    return run(main())


def draw(count: int) -> Draw:
    return Draw(PROBLEM, ROOT, count=count, seed=0, max_tokens=100, whole=True, temperature=1.0)


def words(_text: str, seed: int) -> str:
    """Three tokens for an even seed, five for an odd one."""
    return "one two three four five" if seed % 2 else "one two three"


async def drawn(generator: MeteredGenerator, count: int, pause: float = 0.0) -> None:
    async for _ in generator.sample(draw(count), Tally()):
        await asyncio.sleep(pause)


def test_only_the_time_until_samples_come_is_waiting() -> None:
    meter = metered(lambda _, generator: drawn(generator, 2, pause=10.0), FakeGenerator(words, seconds=1.0))
    assert meter.seconds == pytest.approx(3.0)  # the second had come while the first was looked at
    (call,) = meter.calls
    assert (call.start, call.end) == pytest.approx((0.0, 13.0))
    assert (call.samples, call.tokens, call.failed) == (2, 8, None)


def test_what_runs_at_the_same_time_is_waited_for_once() -> None:
    async def use(_meter: Meter, generator: MeteredGenerator) -> None:
        await asyncio.gather(drawn(generator, 1), drawn(generator, 2), generator.measure(PROBLEM))

    meter = metered(use, FakeGenerator(words, seconds=1.0))
    assert meter.seconds == pytest.approx(5.0)
    assert sorted(call.port for call in meter.calls) == [Port.GENERATE, Port.GENERATE, Port.MEASURE]


def test_a_call_that_is_given_up_is_noted_with_the_tokens_it_took() -> None:
    async def use(_meter: Meter, generator: MeteredGenerator) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(4.0):
                await drawn(generator, 2)

    meter = metered(use, FakeGenerator(words, seconds=1.0))
    (call,) = meter.calls
    assert (call.samples, call.failed, call.end) == (1, "cancelled", pytest.approx(4.0))
    assert call.tokens >= 3
    assert meter.seconds == pytest.approx(4.0)


def test_a_stream_closed_between_two_samples_is_not_waited_for_any_more() -> None:
    async def use(meter: Meter, generator: MeteredGenerator) -> None:
        async with aclosing(generator.sample(draw(2), Tally())) as samples:
            await anext(samples)
            await asyncio.sleep(50)
        assert meter.seconds == pytest.approx(3.0)

    (call,) = metered(use, FakeGenerator(words, seconds=1.0)).calls
    assert (call.samples, call.failed) == (1, "cancelled")


def test_failures_are_noted_and_passed_on() -> None:
    async def use(meter: Meter, generator: MeteredGenerator) -> None:
        with pytest.raises(GeneratorError):
            await drawn(generator, 1)
        scorer = MeteredScorer(FakeScorer(lambda _: 0.5, fail_after=0), meter)
        assert (scorer.name, generator.name) == ("fake-scorer", "fake")
        with pytest.raises(ScorerError):
            await scorer.score(PROBLEM, [ROOT], 3)

    calls = metered(use, FakeGenerator(words, fail=True)).calls
    assert [(call.port, call.failed) for call in calls] == [
        (Port.GENERATE, "GeneratorError"),
        (Port.SCORE, "ScorerError"),
    ]


def test_a_measure_that_fails_is_noted() -> None:
    class Broken(FakeGenerator):
        async def measure(self, problem: Problem) -> Measure:
            raise GeneratorError("down")

    async def use(_meter: Meter, generator: MeteredGenerator) -> None:
        with pytest.raises(GeneratorError):
            await generator.measure(PROBLEM)

    (call,) = metered(use, Broken(words)).calls
    assert (call.port, call.failed) == (Port.MEASURE, "GeneratorError")


def test_what_was_judged_is_noted_with_its_tokens() -> None:
    async def use(meter: Meter, _generator: MeteredGenerator) -> None:
        scorer = MeteredScorer(FakeScorer(lambda _: 0.5), meter)
        assert scorer.ratio == FakeScorer(lambda _: 0.5).ratio
        assert scorer.bill(3, 4) == FakeScorer(lambda _: 0.5).bill(3, 4)
        candidate = ROOT.extended(0, await _one())
        await scorer.score(PROBLEM, [candidate, candidate], 3)

    (call,) = metered(use, FakeGenerator(words)).calls
    assert (call.port, call.samples, call.failed) == (Port.SCORE, 2, None)
    assert call.tokens > 0


async def _one() -> Sample:
    (sample,) = [sample async for _, sample in FakeGenerator(words).sample(draw(1), Tally())]
    return sample
