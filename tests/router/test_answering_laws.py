"""Laws of answer() that hold for any budget, strategy, failure and moment."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import router.answering as answering
from router.answering import Answer, NoAnswer, answer
from router.budget import Budget, Ledger
from router.events import Answered, Event, Sampled
from router.plan import Policy
from router.policy.default import DefaultPolicy
from router.policy.fixed import FixedPolicy
from router.policy.names import STRATEGIES
from router.ports import Draw, GeneratorError, ScorerError, Scores, Tally
from router.testing import FakeGenerator, FakeScorer, run
from router.types import Candidate, Finish, Message, Problem, Sample

from .strategies.tree import chance

CONTEXT = 200


def write(text: str, seed: int) -> str:
    """Some more steps, and then maybe an answer."""
    done = text.count("\n\n")
    steps = ["word " * (1 + int(9 * chance(seed, done, i))) for i in range(int(4 * chance(seed, done)))]
    end = f"\\boxed{{{int(3 * chance(seed, 'answer'))}}}" if chance(seed, "any") < 0.8 else "who knows"
    return "\n\n".join([*(s.strip() for s in steps), end])


@dataclass
class Unreliable(FakeGenerator):
    """Breaks off some of its calls after the first sample, or before it."""

    breaks: float = 0.0

    async def sample(
        self, draw: Draw, tally: Tally, on_text: Callable[[str], None] | None = None
    ) -> AsyncIterator[tuple[int, Sample]]:
        left = int(2 * chance(draw.seed, "left")) if chance(draw.seed, "break") < self.breaks else draw.count
        async with aclosing(FakeGenerator.sample(self, draw, tally, on_text)) as samples:  # type: ignore[type-var]
            async for item in samples:
                if left < 1:
                    raise GeneratorError("the connection broke")
                left -= 1
                yield item


@dataclass
class Strange(FakeScorer):
    """Goes wrong in one of the ways a scorer can go wrong, from its third call on."""

    fault: str = "none"
    seconds: float = 0.0

    async def score(self, problem: Problem, candidates: Sequence[Candidate], prompt_tokens: int) -> Scores:
        await asyncio.sleep(self.seconds)
        scores = await FakeScorer.score(self, problem, candidates, prompt_tokens)
        if self.calls < 3:
            return scores
        match self.fault:
            case "error":
                raise ScorerError("no")
            case "nan":
                return Scores(tuple((float("nan"),) for _ in candidates), scores.tokens)
            case "large":
                return Scores(tuple((1.5,) for _ in candidates), scores.tokens)
            case "short":
                return Scores(scores.rewards[1:], scores.tokens)
            case "empty":
                return Scores(tuple(() for _ in candidates), scores.tokens)
            case _:
                return scores


@dataclass(frozen=True)
class Case:
    """One request and the world it meets."""

    budget: Budget
    policy: Policy
    max_tokens: int | None
    speed: float
    lose: int
    breaks: float
    fail: bool
    scorer: str
    judging: float
    seed: int
    cancel: float | None


POLICIES = st.one_of(
    st.builds(DefaultPolicy, st.booleans()),
    st.builds(FixedPolicy, st.sampled_from(sorted(STRATEGIES)), st.none() | st.integers(1, 20)),
)
BUDGETS = st.builds(
    Budget,
    samples=st.integers(1, 24),
    tokens=st.none() | st.integers(1, 4000),
    deadline=st.none() | st.floats(0.01, 20),
) | st.builds(Budget, tokens=st.integers(1, 1500), deadline=st.none() | st.floats(0.01, 20))
CASES = st.builds(
    Case,
    budget=BUDGETS,
    policy=POLICIES,
    max_tokens=st.none() | st.integers(1, 60),
    speed=st.sampled_from([0.0, 0.01, 0.3]),
    lose=st.sampled_from([0, 0, 0, 1, 3]),
    breaks=st.sampled_from([0.0, 0.0, 0.3]),
    fail=st.sampled_from([False, False, False, False, True]),
    scorer=st.sampled_from(["absent", "none", "none", "error", "nan", "large", "short", "empty"]),
    judging=st.sampled_from([0.0, 0.05, 2.0]),
    seed=st.integers(0, 1000),
    cancel=st.none() | st.floats(0, 5),
)


class World:
    """Answers one case, and remembers what happened."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.generator = Unreliable(
            write, seconds=case.speed, context=CONTEXT, lose=case.lose, fail=case.fail, breaks=case.breaks
        )
        self.scorer = None
        if case.scorer != "absent":
            self.scorer = Strange(lambda t: chance("judge", t), fault=case.scorer, seconds=case.judging)
        self.problem = Problem((Message("user", "what is it"),), max_tokens=case.max_tokens)
        self.longest = min(case.max_tokens or CONTEXT, CONTEXT - 3)
        self.events = list[Event]()
        self.ledgers = list[Ledger]()
        self.elapsed = 0.0

    def _ledger(self, budget: Budget, longest: int) -> Ledger:
        self.ledgers.append(Ledger(budget, longest))
        return self.ledgers[-1]

    async def _answer(self) -> Answer | NoAnswer:
        try:
            return await answer(
                self.problem,
                self.case.budget,
                generator=self.generator,
                scorer=self.scorer,
                policy=self.case.policy,
                observe=self.events.append,
                seed=self.case.seed,
            )
        except NoAnswer as nothing:
            return nothing
        finally:
            self.elapsed = asyncio.get_running_loop().time()

    async def _interrupted(self, after: float) -> Answer | NoAnswer | None:
        task = asyncio.create_task(self._answer())
        await asyncio.sleep(after)
        task.cancel()
        try:
            return await task
        except asyncio.CancelledError:
            return None

    def live(self) -> Answer | NoAnswer | None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(answering, "Ledger", self._ledger)
            after = self.case.cancel
            return run(self._answer() if after is None else self._interrupted(after))

    def finished(self) -> set[tuple[int, ...]]:
        """The paths of the solutions that arrived."""
        return {
            e.path
            for e in self.events
            if isinstance(e, Sampled) and e.finish is not Finish.STEP and (e.tokens or len(e.path) > 1)
        }


def check_books(world: World) -> None:
    budget, [ledger] = world.case.budget, world.ledgers
    spent = ledger.spent
    assert world.generator.active == 0
    assert (ledger.held, ledger.overrun) == (0, 0)
    assert spent.compute <= (budget.tokens or spent.compute)
    assert 0 <= spent.samples <= (budget.samples or spent.samples)
    if budget.samples is not None:
        assert spent.tokens <= budget.samples * world.longest
        assert ledger.tokens_left == budget.samples * world.longest - spent.tokens
    assert sum(e.tokens for e in world.events if isinstance(e, Sampled)) <= spent.tokens


def check_answer(world: World, result: Answer) -> None:
    ranking = [c.path for c in result.verdict.ranking]
    assert len(ranking) == len(set(ranking))
    assert world.finished() <= set(ranking)
    assert result.solutions == (len(ranking) if result.verdict.chosen.finished else 0)
    assert all(c.tokens <= world.longest for c in result.verdict.ranking)
    assert result.spent == world.ledgers[0].spent
    assert isinstance(world.events[-1], Answered)
    assert [e for e in world.events if isinstance(e, Answered)] == [world.events[-1]]
    assert len(result.degraded) <= 1
    assert result.stopped in {"complete", "agreed", "budget", "deadline"}
    assert result.stopped != "deadline" or world.case.budget.deadline is not None


def check_nothing(world: World, nothing: NoAnswer) -> None:
    assert not world.finished()
    assert not any(isinstance(e, Answered) for e in world.events)
    budget = world.case.budget
    assert nothing.reason != "deadline" or budget.deadline is not None
    if nothing.reason == "generator":
        assert world.case.fail or world.case.lose or world.case.breaks


@settings(max_examples=500, deadline=None)
@given(CASES)
def test_whatever_happens_the_budget_holds_and_nothing_that_finished_is_thrown_away(case: Case):
    world = World(case)
    result = world.live()
    check_books(world)
    if case.budget.deadline is not None:
        assert world.elapsed <= case.budget.deadline
    if isinstance(result, Answer):
        check_answer(world, result)
    elif isinstance(result, NoAnswer):
        check_nothing(world, result)
    else:
        assert case.cancel is not None


@settings(max_examples=100, deadline=None)
@given(CASES)
def test_the_same_request_is_answered_in_the_same_way(case: Case):
    first, second = World(case), World(case)
    one, two = first.live(), second.live()
    assert first.events == second.events
    if isinstance(one, Answer):
        assert one == two
