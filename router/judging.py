"""The part of a search that has candidates judged, and pays for it from what was set aside when they were drawn."""

import asyncio
from collections.abc import Iterable, Sequence
from math import ceil, isfinite

from .aggregation import Reduce, reduce
from .budget import Hold, Ledger
from .events import Degraded, Observer, Scored
from .ports import Scorer, ScorerError, Scores
from .types import Candidate, Problem


class Judging:
    """One request's dealings with its scorer, which may be missing from the start or fail on the way.

    Whatever it is busy with, no judgement is waited for after `deadline` (event-loop time).
    """

    def __init__(
        self,
        scorer: Scorer | None,
        problem: Problem,
        prompt_tokens: int,
        ledger: Ledger,
        observe: Observer,
        deadline: float | None = None,
    ) -> None:
        self.reduce = Reduce.PRODUCT
        """How step rewards become values."""
        self.degraded: tuple[str, ...] = ()
        self._scorer = scorer
        self._problem = problem
        self._prompt_tokens = prompt_tokens
        self._ledger = ledger
        self._observe = observe
        self._deadline = deadline
        self._holds = dict[tuple[int, ...], Hold]()
        self._judging = set[tuple[int, ...]]()

    @property
    def possible(self) -> bool:
        """Whether there is a scorer and it works."""
        return self._scorer is not None

    def price(self, tokens: int) -> int:
        """Return the most compute that judging a candidate of so many tokens can take; 0 without a scorer."""
        if self._scorer is None:
            return 0
        return ceil(self._scorer.ratio * self._scorer.bill(self._prompt_tokens, tokens))

    def set_aside(self, candidate: Candidate, hold: Hold) -> None:
        """Keep of a settled sample's hold what judging it may take."""
        hold.keep(self.price(candidate.tokens))
        self._holds[candidate.path] = hold

    def fund(self, candidates: Iterable[Candidate]) -> list[Candidate]:
        """Set aside what judging takes where nothing was; return those it was enough for, up to the first too dear."""
        funded = list[Candidate]()
        for candidate in candidates:
            hold = self._ledger.set_aside(self.price(candidate.tokens))
            if hold is None:
                break
            self._holds[candidate.path] = hold
            funded.append(candidate)
        return funded

    def awaits(self, candidate: Candidate) -> bool:
        """Tell whether a judgement of this candidate is paid for and under way."""
        return candidate.path in self._holds or candidate.path in self._judging

    async def judge(self, candidates: Sequence[Candidate]) -> list[Candidate]:
        """Return the candidates with their rewards and values, or as they were if the scorer fails."""
        paths = [c.path for c in candidates]
        purse = self._ledger.settling(h for path in paths if (h := self._holds.pop(path, None)))
        self._judging.update(paths)
        try:
            return await self._judged(candidates, purse)
        finally:
            self._judging.difference_update(paths)
            purse.release()

    def close(self) -> None:
        """Give back what is still set aside for judgements that an interrupted search did not come to."""
        for hold in self._holds.values():
            hold.release()
        self._holds.clear()

    async def _judged(self, candidates: Sequence[Candidate], purse: Hold) -> list[Candidate]:
        scorer = self._scorer
        if scorer is None or not candidates:  # it may have failed since something was set aside for it
            return list(candidates)
        try:
            scores = await self._scores(scorer, candidates)
            rewards = _checked(scores.rewards, len(candidates))
        except ScorerError as failure:
            self._give_up(f"scorer: {failure}")
            return list(candidates)
        except asyncio.CancelledError:  # how far it has come, nobody knows: at most so far
            purse.judged(sum(scorer.bill(self._prompt_tokens, c.tokens) for c in candidates), purse.compute)
            raise
        purse.judged(scores.tokens, ceil(scorer.ratio * scores.tokens))
        judged = [c.judged(r, reduce(r, self.reduce)) for c, r in zip(candidates, rewards, strict=True)]
        self._observe(Scored(len(judged), scores.tokens, max(c.value or 0.0 for c in judged)))
        return judged

    def _give_up(self, reason: str) -> None:
        if self._scorer is not None:  # branches that are judged at the same time fail together
            self._scorer = None
            self.degraded = (*self.degraded, reason)
            self._observe(Degraded(reason))

    async def _scores(self, scorer: Scorer, candidates: Sequence[Candidate]) -> Scores:
        try:
            async with asyncio.timeout_at(self._deadline):
                return await scorer.score(self._problem, candidates, self._prompt_tokens)
        except TimeoutError:
            raise ScorerError("no rewards came in time") from None


def _checked(rewards: Sequence[Sequence[float]], candidates: int) -> list[tuple[float, ...]]:
    """Refuse what is not one reward in [0, 1] per step: NaN compares false with everything and would win or lose."""
    if len(rewards) != candidates:
        raise ScorerError(f"{len(rewards)} results for {candidates} candidates")
    for row in rewards:
        if not all(isfinite(r) and 0.0 <= r <= 1.0 for r in row):
            raise ScorerError("a reward is not a number between 0 and 1")
    return [tuple(r) for r in rewards]
