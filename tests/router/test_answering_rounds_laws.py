"""The laws of answer() for policies that plan anything: any strategy, of any size, in any order, with any rule."""

from dataclasses import dataclass, replace

from hypothesis import given, settings
from hypothesis import strategies as st

from router.aggregation import Aggregate
from router.answering import Answer, NoAnswer
from router.budget import Budget
from router.events import Aborted, Lost, Sampled
from router.plan import Plan, Room
from router.policy.calibrated import CalibratedPolicy
from router.policy.names import STRATEGIES, plan_for
from router.policy.table import EVIDENCE, Cell, Logistic, Option, Split, State, Table
from router.stopping import Stopping, decided, overtaken
from router.types import Difficulty

from .strategies.tree import chance
from .test_answering_laws import BUDGETS, Case, World, check_answer, check_books, check_nothing

NAMES = sorted(STRATEGIES)
SIZES = (1, 1, 2, 3, 5, 9, 20)


def roll(sides: int, *about: object) -> int:
    return int(sides * chance(*about))


@dataclass(frozen=True)
class Wild:
    """Plans whatever chance says, but always the same where it is told the same."""

    salt: int

    def probe(self, room: Room) -> int:
        return max(0, roll(12, self.salt, "probe") - 6)

    def plan(self, difficulty: Difficulty | None, room: Room) -> Plan:
        at = (self.salt, room.solutions, room.unjudged, room.verified)
        if room.solutions and chance("stop", *at) < 0.2:
            return Plan(None, Aggregate.MAJORITY, stopped="agreed")
        n = 0 if room.solutions and chance("judge", *at) < 0.2 else SIZES[roll(len(SIZES), "n", *at)]
        plan = plan_for(NAMES[roll(len(NAMES), "name", *at)], n, 1 + roll(4, "m", *at))
        rule = Stopping(
            (decided, overtaken)[roll(2, "gain", *at)],
            price=(0.0, 1e-3, 0.05)[roll(3, "price", *at)],
            least=roll(4, "least", *at),
            later=roll(3, "later", *at),
        )
        provisional = chance("provisional", *at) < 0.3
        return replace(plan, stopping=rule if chance("rule", *at) < 0.6 else None, provisional=provisional)


def option(at: int, *about: object) -> Option:
    n = (max(1, at), at + 1, 2 * at + 1, 4, 16, 64)[roll(6, "n", *about)]
    worth = tuple(0.1 - 0.15 * chance("worth", i, *about) for i in range(3))
    return Option(NAMES[roll(len(NAMES), "name", *about)], n, 0.1, 0.0, 0.2, 0.1 + max(0, n - at), worth, 1 + at % 4)


def table(salt: int) -> Table:
    """Some states are missing, some cells have no options, and what an option gains is anything."""
    even = Logistic(0.0, (0.0,) * len(EVIDENCE), (0.0,) * len(EVIDENCE), (1.0,) * len(EVIDENCE))
    states = list[State]()
    for n in (0, 1, 2, 4, 8):
        for judged in (False, True):
            about = (salt, n, judged)
            cells = [
                Cell(9, 0.5, 0.5, tuple(option(n, i, c, *about) for i in range(roll(4, c, *about)))) for c in (0, 1)
            ]
            if chance("there", *about) < 0.7:
                states.append(State(n, judged, even, Split(0, 0.5, 0, 1), tuple(cells)))
    return Table(20.0, (1e-4, 1e-3, 1e-2), Logistic(0.0, (), (), ()), tuple(states))


POLICIES = st.one_of(
    st.builds(Wild, st.integers(0, 10**6)),
    st.builds(
        CalibratedPolicy,
        st.builds(table, st.integers(0, 10**6)),
        st.sampled_from([1e-4, 2.5e-3, 0.1]),
        st.just(0.5),
        st.frozensets(st.sampled_from(["estimate", "probe", "replanning", "stopping", "scorer"]), max_size=2),
    ),
)
CASES = st.builds(
    Case,
    budget=BUDGETS | st.just(Budget()),
    policy=POLICIES,
    max_tokens=st.none() | st.integers(1, 60),
    speed=st.sampled_from([0.0, 0.01, 0.3]),
    lose=st.sampled_from([0, 0, 0, 1, 3]),
    breaks=st.sampled_from([0.0, 0.0, 0.3]),
    fail=st.sampled_from([False] * 6 + [True]),
    scorer=st.sampled_from(["absent", "none", "none", "error", "nan", "large", "short", "empty"]),
    judging=st.sampled_from([0.0, 0.05, 2.0]),
    seed=st.integers(0, 1000),
    cancel=st.none() | st.none() | st.floats(0, 5),
)


def check_fates(world: World, result: Answer) -> None:
    """Every sample that was asked for has arrived, is lost or was called off, some of these before they began."""
    aborted = [e for e in world.events if isinstance(e, Aborted)]
    arrived = sum(isinstance(e, Sampled) for e in world.events)
    assert 0 <= world.generator.drawn - arrived - result.lost <= sum(e.samples for e in aborted)
    assert result.lost == sum(e.samples for e in world.events if isinstance(e, Lost))
    assert not aborted or result.stopped == "agreed"


@settings(max_examples=400, deadline=None)
@given(CASES)
def test_whatever_is_planned_the_budget_holds_and_every_sample_is_accounted_for(case: Case):
    world = World(case)
    result = world.live()
    check_books(world)
    if case.budget.deadline is not None:
        assert world.elapsed <= case.budget.deadline
    if isinstance(result, Answer):
        check_answer(world, result)
        if result.stopped != "deadline":
            check_fates(world, result)
    elif isinstance(result, NoAnswer):
        check_nothing(world, result)
    else:
        assert case.cancel is not None
