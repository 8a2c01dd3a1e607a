from collections.abc import Callable
from dataclasses import replace
from itertools import product
from sys import gettrace
from time import process_time

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from router.aggregation import Aggregate
from router.budget import Budget
from router.events import Planned
from router.plan import Plan, Room
from router.policy.calibrated import CalibratedPolicy, Part
from router.policy.names import STRATEGIES
from router.policy.table import State, Table
from router.testing import FakeGenerator, FakeScorer
from router.types import Difficulty, Finish

from ..strategies.tree import chance
from ..thinking import PROBLEM, Thinking
from .tables import SPLIT, VOTES, cell, option, seen, state, table

CHEAP = 0.001


def room(**changes: object) -> Room:
    fields: dict[str, object] = {"samples": 64, "tokens": None, "seconds": None, "verified": True, "solutions": 1}
    merged = fields | changes
    merged.setdefault("unjudged", merged["solutions"])
    return Room(**merged)  # type: ignore[arg-type]


def planned(found: Table, where: Room, *parts: Part, price: float = CHEAP, estimate: float = 0.5, **shown: int) -> Plan:
    what = seen(where.solutions, **shown) if where.solutions else None
    return CalibratedPolicy(found, price, estimate, frozenset(parts)).plan(what, where)


def brief(plan: Plan) -> tuple[str | None, int]:
    return plan.name, plan.n


def test_it_asks_for_no_probe():
    assert CalibratedPolicy(VOTES, CHEAP, 0.5).probe(room()) == 0


@pytest.mark.parametrize("samples", [None, 2, 64])
def test_the_first_solution_is_greedy_and_not_the_end(samples: int | None):
    plan = planned(VOTES, room(samples=samples, solutions=0))
    assert (brief(plan), plan.provisional, plan.difficulty) == (("greedy", 1), True, None)


@pytest.mark.parametrize("part", ["probe", "stopping", "replanning"])
def test_where_there_is_one_sample_it_is_the_answer(part: Part):
    plan = planned(VOTES, room(samples=1, solutions=0), part)
    assert (brief(plan), plan.provisional) == (("greedy", 1), False)


@pytest.mark.parametrize(("solutions", "n"), [(1, 1), (2, 2), (3, 3), (5, 5), (8, 8), (13, 3)])
def test_solutions_double_at_most(solutions: int, n: int):
    assert brief(planned(VOTES, room(solutions=solutions))) == ("weighted_best_of_n", n)


def test_what_is_planned_is_said():
    assert planned(VOTES, room()).reason == "weighted_best_of_n to 16 gains 40.0 points for 30.0 solutions"


@pytest.mark.parametrize(("price", "name"), [(0.001, "weighted_best_of_n"), (0.012, "majority_voting"), (0.014, None)])
def test_the_price_decides_between_more_accuracy_and_less_compute(price: float, name: str | None):
    found = table(state(1, option("majority_voting", 4, 0.04, 3.0), option("weighted_best_of_n", 4, 0.06, 5.0)))
    assert planned(found, room(), price=price).name == name


def test_between_two_prices_worth_is_interpolated():
    first = replace(option("majority_voting", 2, 0.1, 1.0), worth=(0.0, 0.1, 0.0))
    second = replace(option("majority_voting", 4, 0.1, 1.0), worth=(0.2, 0.0, 0.0))
    found = table(state(1, first, second))
    reasons = [planned(found, room(), price=price).reason[:20] for price in (0.0069, 0.0071)]
    assert reasons == ["majority_voting to 4", "majority_voting to 2"]  # equal at two thirds of the way, at 0.007


def test_above_all_prices_of_the_table_compute_still_counts():
    found = table(state(1, option("majority_voting", 2, 0.4, 1.0)))
    assert brief(planned(found, room(), price=0.3)) == ("majority_voting", 1)
    assert planned(found, room(), price=0.5).strategy is None


def test_ties_go_to_the_cheaper():
    dear = replace(option("majority_voting", 4, 0.2, 3.0), worth=(0.1,) * 3)
    cheap = replace(option("weighted_best_of_n", 2, 0.2, 2.0), worth=(0.1,) * 3)
    assert planned(table(state(1, dear, cheap)), room()).name == "weighted_best_of_n"
    assert planned(table(state(1, cheap, dear)), room()).name == "weighted_best_of_n"


def test_what_gains_nothing_is_left_out():
    plan = planned(table(state(1, option("majority_voting", 4, 0.003, 3.0))), room())
    assert (plan.strategy, plan.stopped, plan.reason) == (None, "agreed", "more is not worth its price")


@pytest.mark.parametrize(("judged", "how"), [(0, Aggregate.MAJORITY), (4, Aggregate.WEIGHTED_MAJORITY)])
def test_the_last_vote_is_weighted_where_there_are_values(judged: int, how: Aggregate):
    found = table(state(4), state(4, judged=True))
    assert planned(found, room(solutions=4), judged=judged).aggregate is how


def test_what_exists_can_be_judged_for_its_price():
    found = table(state(4, option("weighted_best_of_n", 4, 0.2, 4.0)))
    assert brief(planned(found, room(solutions=4))) == ("weighted_best_of_n", 0)
    assert brief(planned(found, room(solutions=5))) == ("weighted_best_of_n", 0)


def test_what_has_been_judged_is_not_judged_again():
    found = table(state(4, option("weighted_best_of_n", 4, 0.2, 4.0), judged=True))
    assert planned(found, room(solutions=4), judged=2).strategy is None
    unjudged = table(state(4, option("weighted_best_of_n", 4, 0.2, 4.0)))
    assert brief(planned(unjudged, room(solutions=4, samples=0))) == ("weighted_best_of_n", 0)


def test_beyond_the_last_state_nothing_more_is_known():
    assert planned(VOTES, room(solutions=17), judged=17).strategy is None
    assert brief(planned(VOTES, room(solutions=17))) == ("weighted_best_of_n", 0)
    assert planned(table(state(1, option("majority_voting", 4, 0.5, 3.0))), room(solutions=9)).strategy is None


def test_what_nothing_was_calibrated_for_ends():
    plan = planned(table(state(0), state(4)), room(solutions=2))
    assert (plan.strategy, plan.reason) == (None, "nothing was calibrated for this")


def test_a_table_without_a_scorer_serves_where_values_turn_up():
    found = table(state(1, option("majority_voting", 2, 0.2, 1.0)))
    assert brief(planned(found, room(), judged=1)) == ("majority_voting", 1)


def test_cells_are_found_by_what_is_seen():
    cells = (cell(option("majority_voting", 4, 0.3, 3.0)), cell())
    found = table(State(1, False, VOTES.states[0].pass_rate, SPLIT, cells))
    assert planned(found, room(), estimate=0.3).name == "majority_voting"
    assert planned(found, room(), estimate=0.7).strategy is None
    assert planned(found, room(), "estimate", estimate=0.7).name == "majority_voting"  # as of the average prompt: 0.5


def test_the_difficulty_is_told_with_its_pass_rate():
    model = replace(VOTES.states[0].pass_rate, bias=-2.0)
    found = table(replace(state(1), pass_rate=model))
    difficulty = planned(found, room()).difficulty
    assert difficulty is not None
    assert difficulty.pass_rate == pytest.approx(0.119, abs=0.001)
    assert difficulty.score == pytest.approx(0.881, abs=0.001)
    assert (difficulty.level, difficulty.agreement) == (5, 0.5)


# What a budget bounds


@pytest.mark.parametrize(("samples", "n"), [(0, None), (1, 1), (3, 3), (None, 8)])
def test_no_more_samples_than_are_left(samples: int | None, n: int | None):
    plan = planned(VOTES, room(samples=samples, solutions=8, unjudged=0), judged=8)
    assert plan.n == (n or 0)
    assert plan.stopped == "complete"


def test_tokens_for_a_part_buy_a_part():
    where = room(tokens=70, typical=20.0, plain=10.0, solutions=8, unjudged=0)
    assert brief(planned(VOTES, where, judged=8)) == ("weighted_best_of_n", 3)


def test_tokens_that_pay_for_no_judgement_buy_votes():
    where = room(tokens=60, typical=90.0, plain=10.0, solutions=8)
    assert brief(planned(VOTES, where)) == ("majority_voting", 6)


def test_a_round_that_could_judge_nothing_is_not_planned_and_it_says_why():
    found = table(state(4, option("weighted_best_of_n", 4, 0.2, 4.0)))
    where = room(solutions=4, tokens=30, typical=20.0, plain=10.0)
    plan = planned(found, where)
    assert (plan.strategy, plan.stopped) == (None, "budget")
    assert plan.reason == "what is left does not pay for what would be worth it"
    assert brief(planned(found, replace(where, tokens=40))) == ("weighted_best_of_n", 0)
    assert brief(planned(found, replace(where, tokens=None))) == ("weighted_best_of_n", 0)


@pytest.mark.parametrize(
    ("changes", "stopped"),
    [
        ({"samples": 0}, "complete"),
        ({"tokens": 5, "typical": 20.0, "plain": 20.0}, "budget"),
        ({"seconds": 0.1, "elapsed": 5.0}, "deadline"),
    ],
)
def test_it_says_what_is_missing(changes: dict[str, object], stopped: str):
    for found in (VOTES, table(state(8), state(8, judged=True))):
        plan = planned(found, room(solutions=8, **changes), judged=8)
        assert (plan.strategy, plan.stopped) == (None, stopped)


def test_in_a_hurry_everything_is_done_at_once():
    found = table(state(8, option("majority_voting", 32, 0.4, 24.0)), state(16))
    at_once = {left: planned(found, room(solutions=8, seconds=left, elapsed=4.0)).n for left in (7.9, 8.0, 40.0)}
    assert at_once == {7.9: 7, 8.0: 8, 40.0: 8}  # half of the time, at the pace so far
    found = table(state(1, option("majority_voting", 32, 0.4, 31.0)))
    assert planned(found, room(solutions=1, seconds=7.9, elapsed=0.0)).n == 1
    calm, hurried = (planned(found, room(solutions=3, seconds=left, elapsed=4.0)).n for left in (8.0, 7.9))
    assert (calm, hurried) == (3, 2)


def test_a_tree_search_runs_whole_or_not_at_all():
    found = table(state(1, option("dvts", 9, 0.4, 20.0, m=2)))
    plan = planned(found, room())
    assert (brief(plan), getattr(plan.strategy, "m", None)) == (("dvts", 8), 2)
    short = planned(found, room(samples=7))
    assert (short.strategy, short.stopped) == (None, "budget")


# What is left out


@pytest.mark.parametrize("changes", [{"verified": False}, {}])
def test_without_a_scorer_nothing_is_judged(changes: dict[str, object]):
    parts: tuple[Part, ...] = () if changes else ("scorer",)
    for n in (1, 2, 4, 8):
        assert planned(VOTES, room(solutions=n, **changes), *parts).name == "majority_voting"
    plan = planned(VOTES, room(solutions=16, **changes), *parts)
    assert (plan.strategy, plan.aggregate) == (None, Aggregate.MAJORITY)


def test_without_the_scorer_that_the_table_counts_on_an_option_pays_by_itself():
    found = table(state(1, option("majority_voting", 2, -0.01, 1.0, more=0.3)), state(1, judged=True))
    assert brief(planned(found, room())) == ("majority_voting", 1)
    assert planned(found, room(verified=False)).strategy is None


def test_the_last_solution_of_a_budget_pays_by_itself():
    found = table(state(1, option("majority_voting", 2, -0.01, 1.0, more=0.3)))
    assert brief(planned(found, room(samples=2))) == ("majority_voting", 1)
    assert planned(found, room(samples=1)).strategy is None


def test_without_the_probe_the_prompt_decides():
    plan = planned(VOTES, room(solutions=0), "probe", price=0.02)
    assert (brief(plan), plan.difficulty) == (("greedy", 1), None)
    assert brief(planned(table(state(0, option("majority_voting", 8, 0.5, 8.0))), room(solutions=0), "probe")) == (
        "majority_voting",
        8,
    )


@pytest.mark.parametrize("found", [table(state(0)), table(state(1))])
def test_without_the_probe_there_is_still_one_solution(found: Table):
    assert brief(planned(found, room(solutions=0), "probe", "stopping")) == ("greedy", 1)


def test_without_replanning_one_plan_runs_whole_and_is_the_last():
    plan = planned(VOTES, room(), "replanning")
    assert brief(plan) == ("weighted_best_of_n", 15)
    for where, judged in [(room(solutions=2), 0), (room(solutions=1), 1)]:
        last = planned(VOTES, where, "replanning", judged=judged)
        assert (last.strategy, last.stopped) == (None, "complete")
    assert planned(VOTES, room(), "replanning", "probe").strategy is None


def test_without_replanning_only_what_an_option_gains_by_itself_counts():
    found = table(state(1, option("majority_voting", 2, 0.0, 1.0, more=0.3), option("majority_voting", 4, 0.1, 3.0)))
    assert brief(planned(found, room(), "replanning")) == ("majority_voting", 3)


@pytest.mark.parametrize(
    ("changes", "name", "n"),
    [
        ({"solutions": 16}, "weighted_best_of_n", 16),
        ({"solutions": 16, "samples": 3}, "weighted_best_of_n", 3),
        ({"solutions": 16, "samples": None}, "weighted_best_of_n", 16),
        ({"solutions": 250, "samples": None}, "weighted_best_of_n", 6),
        ({"solutions": 16, "verified": False}, "majority_voting", 16),
        ({"solutions": 16, "samples": 0}, "weighted_best_of_n", 0),
        ({"solutions": 16, "samples": 0, "verified": False}, None, 0),
        ({"solutions": 16, "tokens": 0, "typical": 3.0, "plain": 1.0}, None, 0),
    ],
)
def test_without_stopping_all_there_is_is_spent(changes: dict[str, object], name: str | None, n: int):
    assert brief(planned(table(state(16)), room(**changes), "stopping")) == (name, n)


def test_without_stopping_what_is_judged_is_the_end_when_nothing_is_left():
    plan = planned(VOTES, room(solutions=16, samples=0), "stopping", judged=16)
    assert (plan.strategy, plan.stopped, plan.reason) == (None, "complete", "nothing is left to spend")


PARTS: list[Part] = ["estimate", "probe", "replanning", "stopping", "scorer"]
ROOMS = st.builds(
    Room,
    samples=st.none() | st.integers(0, 70),
    tokens=st.none() | st.integers(0, 3000),
    seconds=st.none() | st.floats(0, 60),
    verified=st.booleans(),
    solutions=st.integers(0, 70),
    typical=st.none() | st.floats(20, 200),
    plain=st.none() | st.floats(1, 20),
    worst=st.integers(0, 500),
    elapsed=st.just(0.0) | st.floats(0.001, 60),
    unjudged=st.integers(0, 70),
)


@given(ROOMS, st.integers(0, 70), st.floats(0, 1), st.sets(st.sampled_from(PARTS)), st.floats(1e-9, 1.0))
def test_whatever_is_left_is_enough_for_what_is_planned(
    where: Room, judged: int, agreement: float, parts: set[Part], price: float
):
    assume(judged <= where.solutions)
    shown = replace(seen(where.solutions, judged=judged), agreement=agreement) if where.solutions else None
    plan = CalibratedPolicy(VOTES, price, 0.5, frozenset(parts)).plan(shown, where)
    if plan.strategy is None:
        assert where.solutions
        return
    verified = STRATEGIES[plan.name or ""].verified
    assert not verified or (where.verified and "scorer" not in parts)
    assert plan.n or (verified and judged < where.solutions) or "stopping" in parts
    if where.solutions:
        assert plan.n <= (where.affordable(10_000, judged=verified) if plan.n else 0)


def test_planning_is_quick():
    policy, where = CalibratedPolicy(VOTES, CHEAP, 0.5), room(solutions=4)
    shown = seen(4)

    def once() -> float:
        start = process_time()
        for _ in range(100):
            policy.plan(shown, where)
        return (process_time() - start) / 100

    most = 100e-6 if gettrace() is None else 1000e-6  # what counts lines takes its time
    assert min(once() for _ in range(10)) < most


# A whole answer


def write(_text: str, seed: int) -> str:
    """Three answers, the first of which is commonest; now and then none."""
    said = min(3, int(4 * chance(seed, "answer") ** 2))
    return "a step\n\n" + ("no idea" if said == 3 else f"\\boxed{{{said}}}")


def thinking(
    budget: Budget, *parts: Part, price: float = CHEAP, judge: Callable[[str], float] | None = None
) -> Thinking:
    policy = CalibratedPolicy(VOTES, price, 0.5, frozenset(parts))
    return Thinking(FakeGenerator(write), FakeScorer(judge) if judge else None, policy, budget)


def rounds(world: Thinking) -> list[tuple[str | None, int]]:
    return [(e.strategy, e.n) for e in world.events if isinstance(e, Planned)]


def test_rounds_double_after_a_greedy_solution_and_judge_when_that_is_worth_it():
    world = thinking(Budget(samples=64), judge=lambda t: chance("judge", t))
    result = world.result()
    assert rounds(world) == [("greedy", 1), *(("weighted_best_of_n", n) for n in (1, 2, 4, 8)), (None, 0)]
    assert (result.solutions, result.stopped, result.degraded) == (16, "agreed", ())
    assert all(c.value is not None for c in result.verdict.ranking)
    assert world.generator.draws[0].temperature == 0.0
    assert all(draw.temperature > 0 for draw in world.generator.draws[1:])
    assert result.difficulty
    assert result.difficulty.pass_rate == 0.5


def test_votes_may_be_judged_after_they_are_cast():
    late = table(
        state(1, option("majority_voting", 2, 0.1, 1.0)),
        state(2, option("weighted_best_of_n", 2, 0.1, 2.0)),
        state(2, judged=True),
    )
    world = thinking(Budget(samples=64), judge=lambda _t: 0.5)
    world.policy = CalibratedPolicy(late, CHEAP, 0.5)
    result = world.result()
    assert rounds(world) == [("greedy", 1), ("majority_voting", 1), ("weighted_best_of_n", 0), (None, 0)]
    assert [c.value for c in result.verdict.ranking] == [0.25, 0.25]


def test_without_a_scorer_rounds_double_too():
    world = thinking(Budget(samples=11))
    assert world.result().solutions == 11
    assert rounds(world) == [("greedy", 1), *(("majority_voting", n) for n in (1, 2, 4, 3)), (None, 0)]


def test_a_price_that_nothing_is_worth_leaves_one_solution():
    world = thinking(Budget(samples=64), price=0.9, judge=lambda _t: 0.5)
    result = world.result()
    assert (result.solutions, result.stopped, result.spent.scorer_tokens) == (1, "agreed", 0)


@given(
    st.builds(Budget, samples=st.none() | st.integers(1, 24), tokens=st.integers(1, 600))
    | st.builds(Budget, samples=st.integers(1, 24)),
    st.sets(st.sampled_from(PARTS)),
    st.booleans(),
    st.sampled_from([1e-6, 0.001, 0.012, 0.5]),
    st.integers(0, 1000),
)
def test_no_budget_is_exceeded_and_there_is_an_answer(
    budget: Budget, parts: set[Part], scored: bool, price: float, seed: int
):
    judge: Callable[[str], float] | None = (lambda t: chance("judge", t)) if scored else None
    world = thinking(budget, *parts, price=price, judge=judge)
    result = world.result(seed=seed)
    assert result.overrun == 0
    assert result.spent.samples <= (budget.samples or result.spent.samples)
    assert result.spent.compute <= (budget.tokens or result.spent.compute)
    assert not ("scorer" in parts and result.spent.scorer_tokens)
    assert world.generator.active == 0
    assert len(rounds(world)) < 20
    assert result.verdict.chosen.finish in (Finish.EOS, Finish.LENGTH)


@pytest.mark.parametrize(("seconds", "parts"), list(product([0.5, 3.0, 20.0], [(), ("stopping",)])))
def test_a_deadline_is_kept(seconds: float, parts: tuple[Part, ...]):
    world = thinking(Budget(samples=64, deadline=seconds), *parts, judge=lambda _t: 0.5)
    world.generator.seconds = 0.1
    assert world.result().solutions >= 1
    assert world.elapsed <= seconds


def test_the_temperature_of_the_client_holds_for_the_first_solution_too():
    world = thinking(Budget(samples=2))
    world.problem = replace(PROBLEM, temperature=0.7)
    world.result()
    assert [draw.temperature for draw in world.generator.draws] == [0.7, 0.7]


def test_the_difficulty_of_one_solution_is_told_when_it_has_a_pass_rate():
    result = thinking(Budget(samples=64), price=0.9).result()
    assert isinstance(result.difficulty, Difficulty)
    assert result.difficulty.samples == 1
