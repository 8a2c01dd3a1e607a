import pytest

from router.plan import Room
from router.policy.fixed import FixedPolicy
from router.policy.names import STRATEGIES
from router.types import Difficulty


def room(**changes: object) -> Room:
    fields: dict[str, object] = {"samples": 16, "tokens": None, "seconds": None, "verified": True}
    return Room(**(fields | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", STRATEGIES)
def test_the_strategy_asked_for_gets_all_paths(name: str):
    plan = FixedPolicy(name).plan(None, room())
    assert (plan.name, plan.n) == (name, 1 if name == "greedy" else 16)
    assert plan.aggregate is STRATEGIES[name].aggregate


def test_the_number_asked_for_is_kept_within_the_budget():
    assert FixedPolicy("best_of_n", 5).plan(None, room()).n == 5
    assert FixedPolicy("best_of_n", 50).plan(None, room()).n == 16
    assert FixedPolicy("best_of_n").plan(None, room(samples=None)).n == 256


@pytest.mark.parametrize(
    ("name", "n", "changes", "probe"),
    [
        ("beam_search", None, {"tokens": 1000}, 2),
        ("dvts", None, {"tokens": 1000, "samples": None}, 2),
        ("dvts", None, {"tokens": 1000, "samples": 7}, 0),
        ("dvts", 8, {"tokens": 1000}, 0),
        ("dvts", None, {}, 0),
        ("best_of_n", None, {"tokens": 1000}, 0),
    ],
)
def test_only_a_tree_that_must_fit_a_number_of_tokens_is_probed_for(
    name: str, n: int | None, changes: dict[str, object], probe: int
):
    assert FixedPolicy(name, n).probe(room(**changes)) == probe


def test_a_tree_is_sized_by_what_the_probe_cost():
    plan = FixedPolicy("dvts").plan(Difficulty(2, 1.0, 1.0, 0.0, 1), room(tokens=100, typical=12.0, solutions=2))
    assert plan.n == 8


@pytest.mark.parametrize("name", STRATEGIES)
def test_the_plan_runs_once(name: str):
    assert FixedPolicy(name).plan(None, room(samples=4, solutions=12)).strategy is None


def test_a_lost_sample_is_not_drawn_again():
    assert FixedPolicy("majority_voting", 4).plan(None, room(samples=13, solutions=3)).strategy is None


def test_what_the_probe_finished_is_not_the_plan():
    difficulty = Difficulty(2, 1.0, 1.0, 0.0, 1)
    assert FixedPolicy("dvts").plan(difficulty, room(samples=14, solutions=2)).n == 14


def test_little_time_is_spent_in_waves():
    policy = FixedPolicy("majority_voting", 64)
    assert policy.plan(None, room(samples=64, seconds=5.0)).n == 4
    assert policy.plan(None, room(samples=60, seconds=4.0, elapsed=1.0, solutions=4)).n == 8
    assert policy.plan(None, room(samples=62, seconds=5.0, elapsed=0.1, solutions=63)).n == 1
    assert policy.plan(None, room(samples=60, seconds=0.1, elapsed=4.9, solutions=4)).strategy is None
    assert policy.plan(None, room(samples=60, seconds=4.0, elapsed=0.1, solutions=64)).strategy is None


def test_much_time_is_spent_at_once():
    assert FixedPolicy("majority_voting", 64).plan(None, room(samples=64, seconds=50.0)).n == 64


@pytest.mark.parametrize("name", ["greedy", "beam_search", "dvts"])
def test_trees_and_single_samples_do_not_come_in_waves(name: str):
    assert FixedPolicy(name).plan(None, room(seconds=5.0, solutions=1)).strategy is None
