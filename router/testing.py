"""The fakes, which are part of the product: scripted, instant on a virtual clock, deterministic.

Anyone who writes a strategy, a policy or an adapter tests it with these, without a model and without waiting.
"""

import asyncio
import selectors
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from .extraction import split_steps
from .ports import Draw, GeneratorError, Measure, ScorerError, Scores, Tally
from .types import Candidate, Finish, Problem, Sample

T = TypeVar("T")

Script = Callable[[str, int], str]
"""From the text so far and the seed of a sample to the rest of the answer; steps end with a blank line."""


_PATIENCE = 2.0


class _VirtualSelector(selectors.DefaultSelector):
    """Selects without waiting: what would have been waited for is added to the clock.

    Where nothing is due ever again, only a thread could still bring something: it gets two real seconds.
    """

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(_PATIENCE if timeout is None else 0)
        if timeout is None and not ready:
            raise RuntimeError("deadlock: everything waits, and nothing is due")
        if timeout is not None and not ready:
            self.now += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop on which sleeping takes no time, and time passes all the same."""

    def __init__(self) -> None:
        self._virtual = _VirtualSelector()
        super().__init__(self._virtual)
        self._clock_resolution = 1e-6  # what is due is due, even where years of seconds have rounded a nanosecond away

    def time(self) -> float:
        """Return the virtual time, in seconds from the start of the loop."""
        return self._virtual.now


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run `main` on a virtual clock and return its result. Raises RuntimeError when it would wait forever."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)


def text_of(problem: Problem) -> str:
    """Return a problem's prompt as the fakes count it: one token per word."""
    return " ".join(m.content for m in problem.messages)


@dataclass(slots=True)
class FakeGenerator:
    """Writes what `script` says, one token per word, at `seconds` a token.

    `lose` samples are lost from each call; `fail` makes every call fail. `drawn` and `active` count the samples
    asked for and those still running: after a search, whatever ended it, `active` is 0.
    """

    script: Script
    seconds: float = 0.0
    context: int = 10_000
    lose: int = 0
    fail: bool = False
    name: str = "fake"
    drawn: int = 0
    active: int = 0
    draws: list[Draw] = field(default_factory=list[Draw])

    async def measure(self, problem: Problem) -> Measure:
        """Count words."""
        prompt = len(text_of(problem).split())
        return Measure(prompt, self.context - prompt)

    async def sample(
        self, draw: Draw, tally: Tally, on_text: Callable[[str], None] | None = None
    ) -> AsyncIterator[tuple[int, Sample]]:
        """Yield the samples in order of length, each when its last token is due, or cut at the deadline."""
        self.draws.append(draw)
        self.drawn += draw.count
        self.active += draw.count
        queue, done = list[tuple[int, Sample]](), 0
        start = asyncio.get_running_loop().time()
        try:
            if self.fail:
                raise GeneratorError("the fake was told to fail")
            written = [self._write(draw, j, start) for j in range(draw.count)]
            queue = sorted(enumerate(written), key=lambda w: w[1].tokens)
            for j, sample in queue[: max(0, draw.count - self.lose)]:
                await self._until(self._due(draw, sample, start))
                tally.tokens += sample.tokens
                self.active -= 1
                done += 1
                if on_text:
                    on_text(sample.text)
                yield j, sample
        finally:
            self.active -= draw.count - done
            come = self._since(start)  # as far as the clock: what an abandoned sample has generated
            tally.tokens += sum(min(sample.tokens, come) for _, sample in queue[done:])

    def _write(self, draw: Draw, j: int, start: float) -> Sample:
        rest = self.script(draw.prefix.text, draw.seed + j)
        end = rest.find("\n\n")
        step = not draw.whole and 0 <= end < len(rest) - 2
        text = rest[: end + 2] if step else rest
        words = text.split(" ")
        most = draw.max_tokens
        if draw.deadline is not None and self.seconds:
            most = min(most, max(0, int((draw.deadline - start) / self.seconds)))
        if len(words) > most:
            return Sample(" ".join(words[:most]), most, Finish.LENGTH)
        return Sample(text, len(words), Finish.STEP if step else Finish.EOS)

    def _due(self, draw: Draw, sample: Sample, start: float) -> float:
        cut = sample.finish is Finish.LENGTH and sample.tokens < draw.max_tokens
        return draw.deadline if cut and draw.deadline is not None else start + sample.tokens * self.seconds

    def _since(self, start: float) -> int:
        return int((asyncio.get_running_loop().time() - start) / self.seconds) if self.seconds else 0

    async def _until(self, when: float) -> None:
        await asyncio.sleep(max(0.0, when - asyncio.get_running_loop().time()))


@dataclass(slots=True)
class FakeScorer:
    """Judges each step by `judge`, which sees all text up to the end of that step: a verifier judges prefixes."""

    judge: Callable[[str], float]
    ratio: float = 2.0
    fail_after: int | None = None
    name: str = "fake-scorer"
    calls: int = 0

    def bill(self, prompt_tokens: int, tokens: int) -> int:
        """Prompt, candidate, and one separator for every token at most."""
        return prompt_tokens + 2 * tokens

    async def score(self, problem: Problem, candidates: Sequence[Candidate], prompt_tokens: int) -> Scores:
        """Judge."""
        self.calls += 1
        if self.fail_after is not None and self.calls > self.fail_after:
            raise ScorerError("the fake was told to fail")
        steps = [split_steps(c.text) for c in candidates]
        rewards = tuple(tuple(self.judge("\n\n".join(s[: i + 1])) for i in range(len(s))) for s in steps)
        return Scores(rewards, sum(prompt_tokens + c.tokens for c in candidates))
