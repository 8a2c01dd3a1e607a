"""The whole router on one page: measure, then plan, search and grade in rounds, then aggregate.

An anytime algorithm: budget, deadline, failures or having enough end the search, and what has finished is aggregated.
"""

import asyncio
from dataclasses import dataclass
from math import ceil, inf

from .aggregation import Aggregate, aggregate
from .budget import Budget, Ledger, Spent
from .cut import Cut
from .difficulty.probe import grade, probe
from .equality import Equivalence, key
from .events import Answered, Observer, Planned, Probed, ignore
from .plan import Plan, Policy, Room, Strategy
from .ports import Generator, GeneratorError, Measure, Scorer
from .search import Search
from .stopping import Agreed
from .strategies.greedy import Greedy
from .strategies.majority_voting import MajorityVoting
from .types import Difficulty, Problem, Verdict

_MOST_ROUNDS = 1000
"""Plans that one question may have: a policy that never has enough, without any budget, would go on forever."""

_FEWEST = 2
"""Solutions that have something to agree on."""

_SHIFT = 0.1
"""A difficulty that has changed by so much is worth telling."""


class NoAnswer(Exception):
    """Nothing at all to answer with, and why: `reason` is "deadline", "shutdown", "generator", "refused" or "busy"."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Answer:
    """What was decided, what it took, and why it ended.

    `stopped` is "complete" (what was planned ran), "agreed" (more would not change it, or not enough to be worth it),
    "budget", "deadline" or "shutdown" (the server had to stop). `difficulty` is what the policy made of the solutions
    before the last plan, or else what they show: None where that is a single one.
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
    told: Difficulty | None = None
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
    cut: Cut | None = None,
) -> Answer:
    """Answer `problem` within `budget`, as `policy` decides.

    With `live`, the text of a plan of a single sample is reported as it is written. `cut` ends it early, from outside.
    Raises NoAnswer and ProblemTooLong.
    """
    start, cut = asyncio.get_running_loop().time(), cut or Cut()
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
        equivalence=equivalence,
    )
    try:
        async with asyncio.timeout_at(hard) as scope:
            with cut.ending(scope):
                await _think(search, policy, course, observe, equivalence, live=live)
    except TimeoutError:
        search.stopped = "shutdown" if cut.made else "deadline"
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
        course.difficulty = course.told = await probe(search, samples, equivalence)
        observe(Probed(course.difficulty))
    chances = 1
    for _ in range(_MOST_ROUNDS):
        if search.stopped:
            break
        before, lost = _progress(search), search.lost
        plan = _planned(search, policy, course, observe, equivalence)
        if plan.strategy is None:
            course.stopped = plan.stopped
            course.plan = plan if course.plan.strategy is None else course.plan
            return
        course.plan = plan
        search.live = live and plan.n == 1 and not (search.solutions or plan.provisional)
        await _carried_out(plan, plan.strategy, search)
        if _progress(search) == before:
            if search.stopped or chances < 1 or not _worth_another(search, plan, lost):
                break
            chances -= 1
            if search.lost == lost:  # it came, and was empty: a greedy one would be so again
                await _one_sample(search, course, observe, MajorityVoting(1), "the first sample was empty")
    if search.stopped == "budget" and not (search.solutions or search.unfinished):
        search.live = live
        await _one_sample(search, course, observe, Greedy(), "too little for judging")


def _planned(search: Search, policy: Policy, course: _Course, observe: Observer, equivalence: Equivalence) -> Plan:
    """Ask for the next plan, by all that the solutions so far show, and tell what is new."""
    shown = grade(search.solutions, equivalence) if search.solutions else None
    plan = policy.plan(shown, _room(search))
    lone = shown is not None and shown.samples < _FEWEST  # one solution agrees with itself: no evidence
    course.difficulty = plan.difficulty or (None if lone else shown)
    of_use = plan.difficulty is not None or plan.strategy is not None
    if course.difficulty and of_use and _differ(course.difficulty, course.told):
        course.told = course.difficulty
        observe(Probed(course.difficulty))
    observe(Planned(plan.name, plan.n, plan.aggregate, plan.reason))
    return plan


def _differ(difficulty: Difficulty, told: Difficulty | None) -> bool:
    return told is None or difficulty.level != told.level or abs(difficulty.score - told.score) >= _SHIFT


async def _carried_out(plan: Plan, strategy: Strategy, search: Search) -> None:
    """Run a plan to its end, or until its rule says that the rest is not worth it."""
    search.reduce_by(plan.reduce)
    search.stop_when(plan.stopping, plan.n, plan.aggregate)
    try:
        await strategy(search)
    except* Agreed:  # it has gone through the groups of tasks, which have cancelled what was in flight
        search.abandon()


def _progress(search: Search) -> tuple[int, int, bool]:
    """Return how many solutions there are, how many of them are judged, and whether there still is who could judge.

    A round must change one of them: to lose the scorer is news, too, which a policy can plan with.
    """
    return len(search.solutions), sum(s.value is not None for s in search.solutions), search.verified


def _worth_another(search: Search, plan: Plan, lost: int) -> bool:
    """Tell whether to go on after a round that has brought nothing, where `lost` samples had been lost before it.

    Small rounds are easily lost as a whole, where of one large round a part would have come.
    """
    failure = search.failure
    if failure and (failure.refusal or failure.busy):
        return False
    return plan.provisional or (bool(search.solutions) and search.lost > lost)


async def _one_sample(search: Search, course: _Course, observe: Observer, strategy: Strategy, reason: str) -> None:
    """Draw one sample that is not judged, where what was planned brought none."""
    course.plan = Plan(strategy, Aggregate.MAJORITY, reason=reason)
    observe(Planned(strategy.name, 1, Aggregate.MAJORITY, reason))
    await _carried_out(course.plan, strategy, search)


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
    if search.stopped == "shutdown":
        return NoAnswer("shutdown", "the server stops, and not a single token had arrived")
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
    ledger, (solutions, judged, _) = search.ledger, _progress(search)
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
        unjudged=solutions - judged,
    )


def _whole(left: float) -> int | None:
    return None if left == inf else max(0, int(left))
