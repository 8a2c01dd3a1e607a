"""The router's ports with a stopwatch: what one request asked of its models, and how long it waited for them."""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from typing import cast

from router.ports import Draw, Generator, Measure, Scorer, Scores, Tally
from router.types import Candidate, Problem, Sample
from server.report import Call, Port

Clock = Callable[[], float]
"""Seconds since the request arrived."""


class Meter:
    """The calls of one request. What runs at the same time is waited for once."""

    def __init__(self, clock: Clock) -> None:
        self.calls = list[Call]()
        self._clock = clock
        self._waiting = 0
        self._since = self._waited = 0.0

    @property
    def seconds(self) -> float:
        """Time in which at least one call was waited for."""
        return self._waited + (self._clock() - self._since if self._waiting else 0.0)

    def begin(self) -> float:
        """Start to wait for a model; return when."""
        now = self._clock()
        if not self._waiting:
            self._since = now
        self._waiting += 1
        return now

    def end(self) -> float:
        """Note that what was waited for has come; return when."""
        now = self._clock()
        self._waiting -= 1
        if not self._waiting:
            self._waited += now - self._since
        return now


class MeteredGenerator:
    """A generator whose calls are noted. It adds nothing to them."""

    def __init__(self, generator: Generator, meter: Meter) -> None:
        self._generator, self._meter = generator, meter

    @property
    def name(self) -> str:
        """The model's name."""
        return self._generator.name

    async def measure(self, problem: Problem) -> Measure:
        """Count the prompt. Raises what the generator raises."""
        start, failed = self._meter.begin(), "cancelled"
        try:
            measure = await self._generator.measure(problem)
            failed = None
        except Exception as failure:
            failed = type(failure).__name__
            raise
        finally:
            self._meter.calls.append(Call(Port.MEASURE, start, self._meter.end(), failed=failed))
        return measure

    async def sample(
        self, draw: Draw, tally: Tally, on_text: Callable[[str], None] | None = None
    ) -> AsyncGenerator[tuple[int, Sample]]:
        """Yield what the generator yields; only the time until it comes counts as waiting."""
        meter, came, failed = self._meter, 0, "cancelled"
        start = end = meter.begin()
        waiting = True
        try:
            drawn = cast("AsyncGenerator[tuple[int, Sample]]", self._generator.sample(draw, tally, on_text))
            async with aclosing(drawn) as samples:
                async for item in samples:
                    came, end, waiting = came + 1, meter.end(), False
                    yield item
                    meter.begin()
                    waiting = True
            failed = None
        except Exception as failure:
            failed = type(failure).__name__
            raise
        finally:
            over = meter.end() if waiting else end
            if came == draw.count:  # what comes behind the last sample is not waited for by anybody
                over, failed = end, None
            meter.calls.append(Call(Port.GENERATE, start, over, came, tally.tokens, failed))


class MeteredScorer:
    """A scorer whose calls are noted. It adds nothing to them."""

    def __init__(self, scorer: Scorer, meter: Meter) -> None:
        self._scorer, self._meter = scorer, meter

    @property
    def name(self) -> str:
        """The model's name."""
        return self._scorer.name

    @property
    def ratio(self) -> float:
        """What one of its tokens costs in generator tokens."""
        return self._scorer.ratio

    def bill(self, prompt_tokens: int, tokens: int) -> int:
        """Return the most tokens that judging one candidate can take."""
        return self._scorer.bill(prompt_tokens, tokens)

    async def score(self, problem: Problem, candidates: Sequence[Candidate], prompt_tokens: int) -> Scores:
        """Judge candidates. Raises what the scorer raises."""
        start, tokens, failed = self._meter.begin(), 0, "cancelled"
        try:
            scores = await self._scorer.score(problem, candidates, prompt_tokens)
            tokens, failed = scores.tokens, None
        except Exception as failure:
            failed = type(failure).__name__
            raise
        finally:
            call = Call(Port.SCORE, start, self._meter.end(), len(candidates), tokens, failed)
            self._meter.calls.append(call)
        return scores
