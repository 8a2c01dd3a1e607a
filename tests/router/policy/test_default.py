from dataclasses import replace

import pytest

from router.aggregation import Aggregate
from router.plan import Room
from router.policy.default import DefaultPolicy
from router.stopping import Standing
from router.types import Difficulty

POLICY = DefaultPolicy()


def room(**changes: object) -> Room:
    fields: dict[str, object] = {"samples": 16, "tokens": None, "seconds": None, "verified": True}
    return Room(**(fields | changes))  # type: ignore[arg-type]


def seen(level: int = 3, agreement: float = 0.5, value: float | None = 0.5) -> Difficulty:
    return Difficulty(4, agreement, value, 0.5, level, judged=0 if value is None else 4)


@pytest.mark.parametrize(("samples", "probe"), [(1, 0), (7, 0), (8, 4), (64, 4), (None, 4)])
def test_large_budgets_are_probed_with_four_samples(samples: int | None, probe: int):
    assert POLICY.probe(room(samples=samples)) == probe


def test_one_sample_is_greedy():
    plan = POLICY.plan(None, room(samples=1))
    assert (plan.name, plan.n) == ("greedy", 1)


@pytest.mark.parametrize(("verified", "name"), [(True, "weighted_best_of_n"), (False, "majority_voting")])
def test_a_small_budget_is_spent_at_once(verified: bool, name: str):
    plan = POLICY.plan(None, room(samples=5, verified=verified))
    assert (plan.name, plan.n) == (name, 5)


def test_a_small_budget_is_spent_once():
    assert POLICY.plan(None, room(samples=2, solutions=3)).strategy is None


@pytest.mark.parametrize("value", [None, 0.95])
def test_a_unanimous_probe_is_enough_where_the_scorer_agrees(value: float | None):
    plan = POLICY.plan(seen(agreement=1.0, value=value), room(samples=12, solutions=4))
    assert (plan.strategy, plan.stopped) == (None, "agreed")


def test_a_unanimous_probe_that_the_scorer_doubts_is_not_enough():
    assert POLICY.plan(seen(agreement=1.0, value=0.4), room(samples=12, solutions=4)).n == 4


def test_where_no_sample_states_an_answer_there_is_nothing_to_vote_on():
    assert POLICY.plan(seen(agreement=0.0), room(samples=12, solutions=4)).strategy is None


@pytest.mark.parametrize("level", [1, 3, 5])
@pytest.mark.parametrize(("verified", "name"), [(True, "weighted_best_of_n"), (False, "majority_voting")])
def test_a_question_in_doubt_gets_as_many_samples_again(level: int, verified: bool, name: str):
    plan = POLICY.plan(seen(level), room(samples=12, solutions=4, verified=verified))
    assert (plan.name, plan.n) == (name, 4)


def test_no_more_samples_are_planned_than_are_left():
    assert POLICY.plan(seen(), room(samples=2, solutions=8)).n == 2


@pytest.mark.parametrize(("level", "n"), [(1, 4), (2, 4), (3, 12), (5, 12)])
def test_thrift_saves_on_easy_questions_only(level: int, n: int):
    assert DefaultPolicy(thrifty=True).plan(seen(level), room(samples=60, solutions=12)).n == n


def votes(samples: int, leader: int, runner_up: int) -> Difficulty:
    shares = leader / samples, runner_up / samples
    return replace(seen(agreement=shares[0], value=None), samples=samples, runner_up=shares[1])


@pytest.mark.parametrize(
    ("leader", "runner_up", "settled"), [(8, 1, True), (7, 2, False), (20, 12, False), (24, 8, True)]
)
def test_a_vote_is_settled_where_the_second_answer_will_hardly_overtake_the_first(
    leader: int, runner_up: int, settled: bool
):
    shown = votes(leader + runner_up, leader, runner_up)
    plan = POLICY.plan(shown, room(samples=40, solutions=leader + runner_up, verified=False))
    assert (plan.strategy is None) is settled
    assert plan.stopped == ("agreed" if settled else "complete")


def test_thrift_is_content_with_less_certainty():
    shown = votes(9, 7, 2)
    assert DefaultPolicy(thrifty=True).plan(shown, room(samples=40, solutions=9, verified=False)).stopped == "agreed"


def test_judged_votes_count_by_their_values():
    shown = replace(seen(agreement=0.5, value=0.5), samples=16, judged=16, weight=0.95)
    assert POLICY.plan(shown, room(samples=40, solutions=16)).stopped == "agreed"
    doubted = replace(shown, weight=0.6)
    assert POLICY.plan(doubted, room(samples=40, solutions=16)).strategy is not None


def test_where_the_scorer_was_lost_on_the_way_votes_count_by_heads():
    shown = replace(votes(8, 4, 4), value=0.9, judged=4, weight=1.0)  # the four that were judged are of one answer
    assert DefaultPolicy().plan(shown, room(verified=False, solutions=8)).name == "majority_voting"


def test_a_vote_without_a_scorer_may_be_cut_short_by_the_rule():
    plan = POLICY.plan(votes(5, 3, 2), room(samples=40, solutions=5, verified=False, plain=20))
    assert plan.stopping is not None
    standing = Standing()
    standing.leader, standing.runner_up = 9.0, 1.0
    assert plan.stopping.enough(standing, 10, 20.0)
    standing.runner_up = 6.0
    assert not plan.stopping.enough(standing, 10, 20.0)


def test_a_single_solution_is_no_agreement():
    shown = replace(seen(agreement=1.0, value=None), samples=1)
    assert POLICY.plan(shown, room(samples=20, solutions=1, seconds=2.0, elapsed=0.1)).strategy is not None


@pytest.mark.parametrize("seconds", [None, 60.0])
def test_thrift_draws_sixteen_samples_in_all_however_many_waves_it_takes(seconds: float | None):
    plan = DefaultPolicy(thrifty=True).plan(seen(1), room(samples=44, solutions=16, seconds=seconds))
    assert plan.strategy is None


def test_nothing_is_started_where_no_sample_is_left():
    plan = POLICY.plan(seen(), room(samples=0, solutions=16))
    assert (plan.strategy, plan.stopped, plan.aggregate) == (None, "complete", Aggregate.WEIGHTED_MAJORITY)


def test_without_a_scorer_stopping_leaves_a_majority_vote():
    assert POLICY.plan(seen(), room(samples=0, solutions=16, verified=False)).aggregate is Aggregate.MAJORITY


def test_nothing_is_started_where_the_tokens_do_not_pay_for_it():
    plan = POLICY.plan(seen(), room(samples=None, tokens=10, typical=20.0, solutions=4))
    assert (plan.strategy, plan.stopped) == (None, "budget")


def test_a_budget_without_any_bound_ends_all_the_same():
    drawn, waves = 4, 0
    while (plan := POLICY.plan(seen(), room(samples=None, solutions=drawn))).strategy is not None:
        drawn, waves = drawn + plan.n, waves + 1
        assert waves < 10
    assert drawn == 256


def test_a_client_may_ask_for_more_than_the_usual_most():
    assert POLICY.plan(seen(), room(samples=400, solutions=256)).n == 256


def test_waves_under_a_deadline_are_as_large_as_fits_in_half_the_time():
    plan = POLICY.plan(seen(), room(samples=None, solutions=40, seconds=8.0, elapsed=10.0))
    assert plan.n == 16
