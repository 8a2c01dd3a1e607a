import pytest

from router.aggregation import Aggregate
from router.plan import Plan, Room
from router.policy.names import plan_for
from router.strategies.majority_voting import MajorityVoting


def room(**changes: object) -> Room:
    fields: dict[str, object] = {"samples": None, "tokens": None, "seconds": None, "verified": False}
    return Room(**(fields | changes))  # type: ignore[arg-type]


def test_a_plan_is_named_after_its_strategy():
    plan = Plan(MajorityVoting(5), Aggregate.MAJORITY)
    assert (plan.name, plan.n) == ("majority_voting", 5)


def test_a_plan_to_stop_has_no_name_and_no_paths():
    plan = Plan(None, Aggregate.MAJORITY)
    assert (plan.name, plan.n) == (None, 0)


@pytest.mark.parametrize(
    "name", ["greedy", "majority_voting", "best_of_n", "weighted_best_of_n", "beam_search", "dvts"]
)
def test_every_strategy_has_as_many_paths_as_it_was_given(name: str):
    plan = plan_for(name, 8)
    assert (plan.name, plan.n) == (name, 1 if name == "greedy" else 8)


@pytest.mark.parametrize(
    ("bounds", "count"),
    [
        ({}, 100),
        ({"samples": 7}, 7),
        ({"samples": 7, "tokens": 50}, 7),
        ({"tokens": 50, "typical": 20.0, "solutions": 1}, 2),
        ({"tokens": 19, "typical": 20.0, "solutions": 1}, 0),
        ({"tokens": 0, "typical": None}, 100),
        ({"tokens": 50, "typical": 20.0, "plain": 5.0, "solutions": 2, "unjudged": 1}, 1),
        ({"tokens": 50, "typical": 20.0, "plain": None, "solutions": 2, "unjudged": 1}, 2),
        ({"samples": 0}, 1),
        ({"samples": 0, "solutions": 3}, 0),
        ({"seconds": 10.0, "elapsed": 2.0, "solutions": 4}, 10),
        ({"seconds": 10.0, "elapsed": 0.0, "solutions": 4}, 100),
        ({"seconds": 10.0, "elapsed": 2.0}, 100),
        ({"seconds": -1.0, "elapsed": 2.0, "solutions": 4}, 0),
    ],
)
def test_no_more_is_started_than_fits(bounds: dict[str, object], count: int):
    assert room(**bounds).affordable(100) == count


def test_what_is_owed_to_the_scorer_does_not_count_where_nothing_is_judged():
    left = room(tokens=50, typical=20.0, plain=5.0, solutions=2, unjudged=2)
    assert (left.affordable(100), left.affordable(100, judged=False)) == (1, 10)


@pytest.mark.parametrize(
    ("bounds", "shortage"),
    [
        ({"samples": 0, "seconds": 1.0}, "complete"),
        ({"tokens": 5, "typical": 6.0, "seconds": 1.0}, "budget"),
        ({"tokens": 7, "typical": 6.0, "seconds": 0.1, "elapsed": 1.0, "solutions": 3}, "deadline"),
        ({"tokens": 7, "typical": 6.0}, "complete"),
        ({"tokens": 7, "typical": 6.0, "plain": 4.0, "solutions": 1, "unjudged": 1}, "budget"),
        ({"tokens": 7}, "complete"),
        ({"seconds": 0.1, "elapsed": 1.0, "solutions": 3}, "deadline"),
        ({"samples": 1, "seconds": 50.0, "elapsed": 1.0, "solutions": 3}, "complete"),  # the fourth was lost
        ({}, "complete"),
    ],
)
def test_a_shortage_has_a_name(bounds: dict[str, object], shortage: str):
    assert room(**bounds).shortage == shortage
