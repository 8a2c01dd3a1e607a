import pytest

from router.plan import Room
from router.policy.fixed import FixedPolicy
from router.policy.names import STRATEGIES
from router.stopping import Stopping, decided


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


@pytest.mark.parametrize("changes", [{"seconds": 5.0}, {"tokens": 300, "worst": 100}])
@pytest.mark.parametrize("name", [name for name in STRATEGIES if name != "greedy"])
def test_where_little_is_left_one_whole_answer_comes_first(name: str, changes: dict[str, object]):
    policy = FixedPolicy(name)
    assert policy.probe(room(**changes)) == 0
    first = policy.plan(None, room(**changes))
    assert (first.name, first.n, first.provisional) == ("greedy", 1, True)
    plenty = room(solutions=1, elapsed=0.1, typical=10.0, plain=2.0, **changes)
    then = policy.plan(None, plenty)
    assert (then.name, then.n, then.provisional) == (name, 16, False)


@pytest.mark.parametrize("name", STRATEGIES)
def test_the_only_sample_is_the_strategys_own(name: str):
    plan = FixedPolicy(name).plan(None, room(samples=1, seconds=5.0))
    assert (plan.name, plan.n, plan.provisional) == (name, 1, False)


def test_a_tree_is_sized_by_what_the_first_answer_cost():
    left = {"tokens": 100, "typical": 12.0, "plain": 4.0, "worst": 50, "solutions": 1}
    assert FixedPolicy("dvts").plan(None, room(**left)).n == 8
    assert FixedPolicy("majority_voting").plan(None, room(**left, samples=None)).n == 25


@pytest.mark.parametrize("name", STRATEGIES)
def test_the_plan_runs_once(name: str):
    assert FixedPolicy(name).plan(None, room(samples=4, solutions=12)).strategy is None


@pytest.mark.parametrize("left", [{"seconds": 1.0}, {"tokens": 40}, {"samples": 8, "seconds": 0.01}])
def test_greedy_runs_once_however_much_or_little_is_left(left: dict[str, object]):
    fields = {"samples": None, "typical": 5.0, "plain": 5.0, "worst": 30, "elapsed": 1.0} | left
    assert FixedPolicy("greedy").plan(None, room(**fields)).n == 1
    then = FixedPolicy("greedy").plan(None, room(**fields, solutions=1))
    assert (then.strategy, then.stopped) == (None, "complete")


def test_a_lost_sample_is_not_drawn_again():
    assert FixedPolicy("majority_voting", 4).plan(None, room(samples=13, solutions=3)).strategy is None


def test_little_time_is_spent_in_waves():
    policy = FixedPolicy("majority_voting", 64)
    assert policy.plan(None, room(samples=60, seconds=4.0, elapsed=1.0, solutions=4)).n == 8
    assert policy.plan(None, room(samples=62, seconds=5.0, elapsed=0.1, solutions=63)).n == 1
    late = policy.plan(None, room(samples=60, seconds=0.1, elapsed=4.9, solutions=4))
    assert (late.strategy, late.stopped) == (None, "deadline")
    done = policy.plan(None, room(samples=60, seconds=4.0, elapsed=0.1, solutions=64))
    assert (done.strategy, done.stopped) == (None, "complete")


def test_much_time_is_spent_at_once():
    assert FixedPolicy("majority_voting", 64).plan(None, room(samples=64, seconds=50.0)).n == 64


@pytest.mark.parametrize("name", ["greedy", "beam_search", "dvts"])
def test_trees_and_single_samples_do_not_come_in_waves(name: str):
    solutions = 1 if name == "greedy" else 2
    assert (
        FixedPolicy(name, 1 if name == "greedy" else None).plan(None, room(seconds=5.0, solutions=solutions)).strategy
        is None
    )


@pytest.mark.parametrize("name", ["majority_voting", "weighted_best_of_n", "beam_search", "dvts"])
def test_votes_end_when_they_are_decided(name: str):
    assert FixedPolicy(name).plan(None, room()).stopping == Stopping(decided)


def test_the_best_solution_is_never_decided():
    assert FixedPolicy("best_of_n").plan(None, room()).stopping is None


@pytest.mark.parametrize("changes", [{"samples": 17}, {"samples": None}])
@pytest.mark.parametrize("name", ["beam_search", "dvts"])
def test_a_tree_that_may_have_more_solutions_than_paths_is_never_decided(name: str, changes: dict[str, object]):
    assert FixedPolicy(name, 16).plan(None, room(**changes)).stopping is None


def test_a_wave_is_decided_where_no_later_wave_can_change_the_answer():
    plan = FixedPolicy("majority_voting", 64).plan(None, room(samples=60, seconds=4.0, elapsed=1.0, solutions=4))
    assert (plan.n, plan.stopping) == (8, Stopping(decided, later=52))
    unbounded = FixedPolicy("majority_voting", 64).plan(None, room(samples=None, seconds=4.0, elapsed=1.0, solutions=4))
    assert unbounded.stopping == plan.stopping
