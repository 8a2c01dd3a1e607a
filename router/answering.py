"""The whole router on one page: measure, probe, plan, search, aggregate.

An anytime algorithm: budget, deadline or failures end the search, and what has finished is aggregated.
"""

import asyncio
from dataclasses import dataclass
from math import ceil, inf

from .aggregation import Aggregate, aggregate
from .budget import Budget, Ledger, Spent
from .difficulty.probe import probe
from .equality import Equivalence, key
from .events import Answered, Observer, Planned, Probed, ignore
from .plan import Plan, Policy, Room
from .ports import Generator, GeneratorError, Measure, Scorer
from .search import Search
from .strategies.greedy import Greedy
from .types import Difficulty, Problem, Verdict


class NoAnswer(Exception):
    """Nothing at all to answer with, and why: `reason` is "deadline", "generator", "refused" or "busy"."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Answer:
    """What was decided, what it took, and why it ended.

    `stopped` is "complete" (what was planned ran), "agreed" (more would not change it), "budget" or "deadline".
    """

    verdict: Verdict
    plan: Plan
    difficulty: Difficulty | None
    spent: Spent
    overrun: int
    prompt_tokens: int
    stopped: str
    degraded: tuple[str, ...]
    lost: int
    solutions: int


@dataclass(slots=True)
class _Course:
    """How far the thinking has come: what is left of it when time runs out."""

    plan: Plan
    difficulty: Difficulty | None = None
    stopped: str = "complete"


async def answer(
    problem: Problem,
    budget: Budget,
    *,
    generator: Generator,
    scorer: Scorer | None,
    policy: Policy,
    observe: Observer = ignore,
    seed: int = 0,
    live: bool = False,
    equivalence: Equivalence = key,
) -> Answer:
    """Answer `problem` within `budget`, as `policy` decides.

    With `live`, the text of a plan of a single sample is reported as it is written. Raises NoAnswer
    and ProblemTooLong.
    """
    start = asyncio.get_running_loop().time()
    soft, hard = _deadlines(start, budget.deadline)
    course = _Course(Plan(None, Aggregate.WEIGHTED_MAJORITY, reason="nothing was left to plan with"))
    measure = await _measured(generator, problem, hard)
    longest = min(problem.max_tokens or measure.room, measure.room)
    search = Search(
        problem,
        measure,
        Ledger(budget, longest),
        generator,
        scorer,
        longest=longest,
        deadline=soft,
        judged_by=None if soft is None or hard is None else hard - 0.25 * (hard - soft),
        seed=seed,
        observe=observe,
    )
    try:
        async with asyncio.timeout_at(hard):
            await _think(search, policy, course, observe, equivalence, live=live)
    except TimeoutError:
        search.stopped = "deadline"
    finally:
        search.close()
    return _concluded(search, course, measure, observe, equivalence)


async def _think(
    search: Search,
    policy: Policy,
    course: _Course,
    observe: Observer,
    equivalence: Equivalence,
    *,
    live: bool,
) -> None:
    """Probe if the policy wants to, then plan and search until it wants no more or nothing more comes."""
    samples = policy.probe(_room(search))
    if samples:
        course.difficulty = await probe(search, samples, equivalence)
        observe(Probed(course.difficulty))
    while search.stopped is None:
        before = len(search.solutions)
        plan = policy.plan(course.difficulty, _room(search))
        observe(Planned(plan.name, plan.n, plan.aggregate, plan.reason))
        if plan.strategy is None:
            course.stopped = plan.stopped
            course.plan = plan if course.plan.strategy is None else course.plan
            return
        course.plan = plan
        search.reduce_by(plan.reduce)
        search.live = live and plan.n == 1 and not (before or plan.provisional)
        await plan.strategy(search)
        if len(search.solutions) == before:
            break
    if search.stopped == "budget" and not (search.solutions or search.unfinished):
        await _answer_unjudged(search, course, observe, live=live)


async def _answer_unjudged(search: Search, course: _Course, observe: Observer, *, live: bool) -> None:
    """Draw one sample where the budget pays for nothing that is also judged."""
    course.plan = Plan(Greedy(), Aggregate.MAJORITY, reason="too little for judging")
    observe(Planned(Greedy.name, 1, Aggregate.MAJORITY, course.plan.reason))
    search.live = live
    await Greedy()(search)


def _concluded(
    search: Search, course: _Course, measure: Measure, observe: Observer, equivalence: Equivalence
) -> Answer:
    solutions = search.solutions or search.unfinished[:1]
    if not solutions:
        raise _nothing(search)
    verdict = aggregate(solutions, course.plan.aggregate, equivalence)
    stopped = search.stopped or course.stopped
    votes = verdict.votes[0].count
    observe(Answered(verdict.answer, votes, len(solutions), verdict.confidence, stopped))
    return Answer(
        verdict=verdict,
        plan=course.plan,
        difficulty=course.difficulty,
        spent=search.ledger.spent,
        overrun=search.ledger.overrun,
        prompt_tokens=measure.prompt_tokens,
        stopped=stopped,
        degraded=search.degraded,
        lost=search.lost,
        solutions=len(search.solutions),
    )


def _nothing(search: Search) -> NoAnswer:
    if search.stopped == "deadline":
        return NoAnswer("deadline", "the deadline passed before a single token had arrived")
    if search.failure:
        return _failed(search.failure)
    if search.lost:
        return NoAnswer("generator", "every sample was lost: the generator does not answer")
    return NoAnswer("generator", "the generator returned no token at all")


def _failed(failure: GeneratorError) -> NoAnswer:
    return NoAnswer("refused" if failure.refusal else "busy" if failure.busy else "generator", str(failure))


async def _measured(generator: Generator, problem: Problem, hard: float | None) -> Measure:
    try:
        async with asyncio.timeout_at(hard):
            return await generator.measure(problem)
    except TimeoutError:
        raise NoAnswer("deadline", "the deadline passed before the prompt was measured") from None
    except GeneratorError as failure:
        raise _failed(failure) from failure


def _deadlines(start: float, seconds: float | None) -> tuple[float | None, float | None]:
    """Return when to stop drawing and when to stop judging: a slice is left to aggregate and to write."""
    if seconds is None:
        return None, None
    return start + seconds - min(0.2, 0.15 * seconds), start + seconds - min(0.05, 0.05 * seconds)


def _room(search: Search) -> Room:
    ledger, solutions = search.ledger, len(search.solutions)
    length = ceil(ledger.spent.tokens / solutions) if solutions else None
    return Room(
        samples=_whole(ledger.samples_left),
        tokens=_whole(ledger.compute_left),
        seconds=search.seconds_left,
        verified=search.verified,
        solutions=solutions,
        typical=None if length is None else search.price(length),
        plain=length,
        worst=search.price(search.longest),
        elapsed=search.seconds_spent,
    )


def _whole(left: float) -> int | None:
    return None if left == inf else max(0, int(left))
