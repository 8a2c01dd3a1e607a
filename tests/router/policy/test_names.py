import pytest

from router.aggregation import Aggregate
from router.policy.names import STRATEGIES, plan_for


def test_the_six_strategies_have_names():
    assert list(STRATEGIES) == ["greedy", "majority_voting", "best_of_n", "weighted_best_of_n", "beam_search", "dvts"]


@pytest.mark.parametrize("name", STRATEGIES)
def test_an_entry_builds_the_strategy_of_its_name(name: str):
    entry = STRATEGIES[name]
    assert entry.name == name == entry.build(4, 2).name
    assert entry.title
    assert entry.paper
    assert entry.summary.endswith(".")


def test_strategies_that_need_a_scorer_say_so():
    assert {n for n, e in STRATEGIES.items() if e.verified} == {
        "best_of_n",
        "weighted_best_of_n",
        "beam_search",
        "dvts",
    }


def test_a_plan_carries_branching_and_reason():
    plan = plan_for("dvts", 16, m=8, reason="because")
    assert (plan.n, getattr(plan.strategy, "m", None), plan.reason) == (16, 8, "because")
    assert plan.aggregate is Aggregate.WEIGHTED_MAJORITY


@pytest.mark.parametrize(
    ("name", "n"),
    [("majority_voting", 1), ("best_of_n", 0), ("weighted_best_of_n", 0), ("beam_search", 1), ("dvts", 1)],
)
def test_a_plan_has_at_least_one_path_unless_it_can_judge_what_is_there(name: str, n: int):
    assert plan_for(name, 0).n == plan_for(name, -1).n == n


def test_an_unknown_name_is_an_error():
    with pytest.raises(KeyError):
        plan_for("mcts", 4)


def test_nobody_can_change_the_table():
    with pytest.raises(TypeError):
        STRATEGIES["x"] = STRATEGIES["dvts"]  # type: ignore[index]
