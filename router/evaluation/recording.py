"""Samples and scores that were paid for once and are replayed: two strategies then see the very same draws.

Replaying changes no count of tokens, since a sample carries its own; it changes the time, which is therefore
measured without it.
"""

from collections.abc import AsyncIterator, Callable, Hashable, Sequence
from dataclasses import replace

from ..ports import Draw, Generator, Measure, Scorer, Scores, Tally
from ..types import Candidate, Problem, Sample


class RecordedGenerator:
    """A generator in front of another that draws no sample twice: same problem, prefix, seed and limits.

    `samples` is the record; it may outlive the generator.
    """

    def __init__(self, generator: Generator, samples: dict[Hashable, Sample]) -> None:
        self._generator = generator
        self._samples = samples

    @property
    def name(self) -> str:
        """The model's name."""
        return self._generator.name

    async def measure(self, problem: Problem) -> Measure:
        """Ask the generator behind."""
        return await self._generator.measure(problem)

    async def sample(
        self, draw: Draw, tally: Tally, on_text: Callable[[str], None] | None = None
    ) -> AsyncIterator[tuple[int, Sample]]:
        """Yield what is on record, then draw and record the rest, in runs of consecutive seeds."""
        missing = list[int]()
        for j in range(draw.count):
            known = self._samples.get(_key(draw, j))
            if known is None:
                missing.append(j)
            else:
                tally.tokens += known.tokens
                yield j, known
        for first, count in _runs(missing):
            part, spent = Tally(), 0
            order = replace(draw, count=count, seed=draw.seed + first)
            async for j, sample in self._generator.sample(order, part, on_text):
                self._samples[_key(draw, first + j)] = sample
                tally.tokens += part.tokens - spent
                spent = part.tokens
                yield first + j, sample


class RecordedScorer:
    """A scorer in front of another that scores no batch twice; `scores` is the record."""

    def __init__(self, scorer: Scorer, scores: dict[Hashable, Scores]) -> None:
        self._scorer = scorer
        self._scores = scores

    @property
    def name(self) -> str:
        """The model's name."""
        return self._scorer.name

    @property
    def ratio(self) -> float:
        """The price of its tokens."""
        return self._scorer.ratio

    def bill(self, prompt_tokens: int, tokens: int) -> int:
        """Ask the scorer behind."""
        return self._scorer.bill(prompt_tokens, tokens)

    async def score(self, problem: Problem, candidates: Sequence[Candidate], prompt_tokens: int) -> Scores:
        """Return the scores on record for exactly this batch, or score and record it."""
        batch = (problem.question, tuple(c.text for c in candidates))
        if batch not in self._scores:
            self._scores[batch] = await self._scorer.score(problem, candidates, prompt_tokens)
        return self._scores[batch]


def _key(draw: Draw, j: int) -> Hashable:
    return draw.problem.question, draw.prefix.text, draw.seed + j, draw.max_tokens, draw.whole, draw.temperature


def _runs(indices: list[int]) -> list[tuple[int, int]]:
    """Return (first, length) of each run of consecutive indices."""
    runs = list[tuple[int, int]]()
    for i in indices:
        if runs and sum(runs[-1]) == i:
            runs[-1] = (runs[-1][0], runs[-1][1] + 1)
        else:
            runs.append((i, 1))
    return runs
