"""The solutions to one question, drawn, judged and marked: one pool."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from math import isfinite
from typing import TypeVar

from router.aggregation import Reduce, reduce
from router.answering import NoAnswer, answer
from router.budget import Budget, Ledger
from router.calibration.pools import Pool, Searched, Solution
from router.difficulty.prompt import features
from router.evaluation.recording import RecordedScorer, Tape
from router.evaluation.sweep import Models
from router.extraction import stated
from router.policy.fixed import FixedPolicy
from router.ports import GeneratorError, Measure, ProblemTooLong, Scorer, ScorerError
from router.search import Search
from router.types import ROOT, Candidate, Problem

from .marking import Marker

T = TypeVar("T")

WAITS = (0.0, 1.0, 4.0)
"""Seconds before each attempt at what a backend has failed to do."""

BRANCHING = 4
"""The m of tree searches."""


class Skipped(Exception):
    """A question without a pool, and why. `failed` says that the backend failed, not that the question is too much."""

    def __init__(self, reason: str, *, failed: bool = True) -> None:
        super().__init__(reason)
        self.failed = failed


@dataclass(frozen=True, slots=True)
class Asked:
    """One question: its place in its file, what to ask, and how answers to it are marked."""

    item: int
    id: str
    level: int | None
    problem: Problem
    mark: Marker


@dataclass(frozen=True, slots=True)
class Shape:
    """What is drawn for each question: `samples` whole solutions, and runs of tree searches, each (strategy, n)."""

    samples: int
    searches: tuple[tuple[str, int], ...] = ()
    seed: int = 0


async def draw(asked: Asked, models: Models, shape: Shape) -> Pool:
    """Return the pool of one question. Raises Skipped."""
    seed = request_seed(shape.seed, asked.item)
    measure = await _measured(asked.problem, models)
    solutions = await _solutions(asked.problem, measure, models, shape.samples, seed)
    values = await _values(asked.problem, solutions, models.scorer, measure.prompt_tokens)
    runs = [await _searched(asked.problem, models, name, n, seed) for name, n in shape.searches]
    answers = [*(stated(s) for s in solutions), *(found for found, _ in runs)]
    weights = [1.0 if v is None else v for v in values]
    marks = await asked.mark(answers, [*weights, *(0.0 for _ in runs)])
    reading = Reading(measure.prompt_tokens)
    count = len(solutions)
    rows = zip(solutions, marks.groups, marks.correct, values, strict=False)
    searches = zip(shape.searches, runs, marks.correct[count:], strict=True)
    return Pool(
        item=asked.item,
        id=asked.id,
        level=asked.level,
        prompt_tokens=measure.prompt_tokens,
        features=features(asked.problem),
        solutions=tuple(Solution(s.tokens, _finite(s.logprob), g, c, v, reading.add(s)) for s, g, c, v in rows),
        searches=tuple(Searched(name, n, BRANCHING, c, compute) for (name, n), (_, compute), c in searches),
        agreed=marks.agreed,
        undecided=sum(marks.undecided[:count]),
    )


def request_seed(seed: int, item: int) -> int:
    """Return the seed of a question's request."""
    return int.from_bytes(blake2b(f"{seed}/{item}".encode(), digest_size=7).digest(), "big")


class Reading:
    """What a scorer with a prefix cache reads of candidates that it is given one after the other."""

    def __init__(self, prompt_tokens: int) -> None:
        self._prompt_tokens = prompt_tokens
        self._nodes = dict[tuple[int, int], int]()
        self._begun = False

    def add(self, candidate: Candidate) -> int:
        """Return the tokens that no candidate before began with, and the prompt with the first.

        Without token ids nothing is known to be shared: the prompt and the whole candidate.
        """
        if not candidate.ids:
            return self._prompt_tokens + candidate.tokens
        before, node = len(self._nodes), 0
        for token in candidate.ids:
            node = self._nodes.setdefault((node, token), len(self._nodes) + 1)
        prompt = 0 if self._begun else self._prompt_tokens
        self._begun = True
        return prompt + len(self._nodes) - before


async def _measured(problem: Problem, models: Models) -> Measure:
    try:
        return await _patiently(lambda: models.generator.measure(problem))
    except ProblemTooLong as reason:
        raise Skipped(str(reason), failed=False) from reason


async def _solutions(problem: Problem, measure: Measure, models: Models, samples: int, seed: int) -> list[Candidate]:
    """Draw a greedy solution and then samples, as a request with this seed draws them."""
    longest = min(problem.max_tokens or measure.room, measure.room)
    search = Search(
        problem, measure, Ledger(Budget(), longest), models.generator, scorer=None, longest=longest, seed=seed
    )
    await _rollout(search, 1, temperature=0.0)
    await _rollout(search, samples)
    return search.solutions


async def _rollout(search: Search, total: int, temperature: float | None = None) -> None:
    """Draw until there are `total` solutions: what is lost is drawn again, with further seeds."""
    for wait in WAITS:
        await asyncio.sleep(wait)
        await search.rollout([ROOT], total - len(search.solutions), temperature=temperature)
        if len(search.solutions) >= total:
            return
        if search.failure and search.failure.refusal:
            break
    raise Skipped(str(search.failure or "the backend returned fewer samples than asked"))


async def _values(
    problem: Problem, solutions: Sequence[Candidate], scorer: Scorer | None, prompt_tokens: int
) -> list[float | None]:
    if scorer is None:
        return [None] * len(solutions)

    async def judged() -> list[float | None]:
        scores = await scorer.score(problem, solutions, prompt_tokens)
        values: list[float | None] = [reduce(r, Reduce.PRODUCT) for r in scores.rewards]
        if len(values) != len(solutions) or not all(v is not None and 0.0 <= v <= 1.0 for v in values):
            raise ScorerError("the scorer's rewards are not one number between 0 and 1 for each step")
        return values

    return await _patiently(judged)


async def _searched(problem: Problem, models: Models, name: str, n: int, seed: int) -> tuple[str | None, int]:
    """Run a tree search; return its answer and its compute."""
    budget, policy = Budget(samples=n), FixedPolicy(name, n)
    # What the scorer has cached of the samples must not make the search look cheaper than it is in a request.
    scorer = RecordedScorer(models.scorer, Tape()) if models.scorer else None

    async def found() -> tuple[str | None, int]:
        try:
            done = await answer(problem, budget, generator=models.generator, scorer=scorer, policy=policy, seed=seed)
        except NoAnswer as failure:
            raise GeneratorError(str(failure), refusal=failure.reason == "refused") from failure
        if done.degraded:  # without its scorer it was no tree search
            raise ScorerError(done.degraded[0])
        return done.verdict.answer, done.spent.compute

    return await _patiently(found)


async def _patiently(attempt: Callable[[], Awaitable[T]]) -> T:
    """Return what `attempt` does, trying again a little later where the backend fails. Raises Skipped."""
    reason = ""
    for wait in WAITS:
        await asyncio.sleep(wait)
        try:
            return await attempt()
        except GeneratorError as failure:
            reason = str(failure)
            if failure.refusal:
                break
        except ScorerError as failure:
            reason = f"scorer: {failure}"
    raise Skipped(reason)


def _finite(logprob: float) -> float:
    return logprob if isfinite(logprob) else 0.0
