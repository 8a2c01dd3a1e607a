"""The one rule for stopping, and its special cases."""

import math
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.aggregation import Aggregate, aggregate
from router.equality import key
from router.stopping import Standing, Stopping, Watch, decided, overtaken, watch
from router.types import Candidate, Finish

ANSWERS = st.sampled_from(["1", "2", "3", None])


def solution(path: int, answer: str | None, value: float | None = None) -> Candidate:
    text = "hm" if answer is None else f"\\boxed{{{answer}}}"
    return Candidate((path,), text, tokens=1, finish=Finish.EOS, value=value)


def standing(*votes: str | None) -> Standing:
    counted = Standing()
    for i, vote in enumerate(votes):
        counted.add(solution(i, vote), vote)
    return counted


def at(leader: float, runner_up: float) -> Standing:
    made = Standing()
    made.leader, made.runner_up = leader, runner_up
    return made


@given(st.lists(st.tuples(ANSWERS, st.floats(0, 1)), max_size=40), st.booleans())
def test_a_standing_knows_the_two_heaviest_answers(votes: list[tuple[str | None, float]], valued: bool):
    counted, weights = Standing(valued=valued), Counter[str]()
    for i, (answer, value) in enumerate(votes):
        counted.add(solution(i, answer, value), answer)
        if answer is not None:
            weights[answer] += value if valued else 1  # type: ignore[assignment]
    first, second = [*sorted(weights.values(), reverse=True), 0.0, 0.0][:2]
    assert counted.leader == pytest.approx(first)
    assert counted.runner_up == pytest.approx(second)
    assert counted.solutions == len(votes)


@pytest.mark.parametrize(
    ("votes", "more", "gain"),
    [
        ("1" * 33, 31, 0.0),
        ("1" * 32, 32, 1.0),  # a tie goes to the earlier path, and that may come last
        ("1112", 1, 0.0),
        ("1122", 1, 1.0),
        ("1122", 0, 0.0),
        ("", 1, 1.0),
        ("1", 1, 1.0),
    ],
)
def test_a_vote_is_decided_where_the_rest_cannot_catch_up(votes: str, more: int, gain: float):
    assert decided(standing(*votes), more) == gain


@given(st.lists(st.tuples(ANSWERS, st.floats(0, 1)), min_size=1, max_size=24), st.integers(0, 24), st.booleans())
def test_what_is_decided_is_the_answer_whatever_comes(votes: list[tuple[str | None, float]], first: int, valued: bool):
    """Any `first` of the solutions are counted: arrival has nothing to do with the order of paths."""
    solutions = [solution(i, answer, value if valued else None) for i, (answer, value) in enumerate(votes)]
    arrived = sorted(solutions, key=lambda s: hash((s.path, len(votes))))
    counted = Standing(valued=valued)
    for s, answer in [(s, votes[s.path[0]][0]) for s in arrived[:first]]:
        counted.add(s, answer)
    how = Aggregate.WEIGHTED_MAJORITY if valued else Aggregate.MAJORITY
    if first < len(votes) and decided(counted, len(votes) - first) == 0.0:
        early = aggregate(sorted(arrived[:first], key=lambda s: s.path), how, key)
        assert early.answer == aggregate(solutions, how, key).answer


@pytest.mark.parametrize(("leader", "runner_up"), [(0, 0), (1, 0), (3, 0), (4, 0), (9, 4), (60, 40), (128, 128)])
def test_for_whole_votes_the_posterior_is_a_sum_of_binomials(leader: int, runner_up: int):
    n = leader + runner_up + 1
    exact = sum(math.comb(n, i) for i in range(runner_up + 1)) / 2**n
    assert overtaken(at(leader, runner_up), 1) == pytest.approx(exact, rel=1e-10)


@given(st.floats(0, 30), st.floats(0, 30))
def test_for_weights_the_posterior_is_the_integral_of_the_beta_density(one: float, other: float):
    leader, runner_up = max(one, other), min(one, other)
    probability = overtaken(at(leader, runner_up), 1)
    assert 0.0 <= probability <= 0.5 + 1e-9
    steps = 4000
    points = [0.5 * i / steps for i in range(steps + 1)]
    scale = math.exp(math.lgamma(leader + runner_up + 2) - math.lgamma(leader + 1) - math.lgamma(runner_up + 1))
    heights = [p**leader * (1 - p) ** runner_up for p in points]
    area = sum((a + b) / 2 for a, b in pairwise(heights)) * 0.5 / steps
    assert probability == pytest.approx(scale * area, rel=1e-3, abs=1e-6)


@given(st.floats(0, 300), st.floats(0, 300))
def test_the_posterior_is_a_probability_and_falls_with_the_lead(one: float, other: float):
    leader, runner_up = max(one, other), min(one, other)
    probability = overtaken(at(leader, runner_up), 1)
    assert 0.0 <= probability <= 1.0
    assert overtaken(at(runner_up, leader), 1) == pytest.approx(1 - probability, abs=1e-9)
    assert overtaken(at(leader + 1, runner_up), 1) <= probability * (1 + 1e-9)


@given(st.lists(ANSWERS, max_size=30), st.integers(0, 30))
def test_at_no_price_the_rule_stops_where_the_majority_is_decided(votes: list[str | None], more: int):
    counted = standing(*votes)
    assert Stopping(decided).enough(counted, more, 123.0) == (decided(counted, more) == 0.0)


@pytest.mark.parametrize(("confidence", "votes"), [(0.95, 4), (0.93, 3), (0.99, 6), (0.8, 2)])
def test_at_the_price_of_doubt_the_rule_is_adaptive_consistency(confidence: float, votes: int):
    rule = Stopping(overtaken, price=(1 - confidence) / 50)
    enough = [rule.enough(standing(*"1" * n), 40 - n, 50.0) for n in range(1, 10)]
    assert enough.index(True) + 1 == votes
    assert all(enough[votes - 1 :])


@given(st.lists(ANSWERS, max_size=30), st.floats(0.5, 0.999))
def test_adaptive_consistency_stops_at_its_confidence(votes: list[str | None], confidence: float):
    counted = standing(*votes)
    enough = Stopping(overtaken, price=1 - confidence).enough(counted, 40, 1.0)
    assert enough == (overtaken(counted, 40) <= 1 - confidence)


def test_the_rule_goes_on_while_any_part_of_the_rest_is_worth_it():
    asked = list[int]()

    def steps(_standing: Standing, more: int) -> float:
        asked.append(more)
        return 0.3 if more >= 4 else 0.0

    assert not Stopping(steps, price=0.05).enough(standing("1"), 11, 1.0)
    assert asked == [11, 1, 2, 4]  # 0.3 is less than 11 * 0.05, and more than 4 * 0.05
    assert Stopping(steps, price=0.08).enough(standing("1"), 11, 1.0)


def test_nothing_to_come_is_enough_and_too_few_never_are():
    assert Stopping(lambda _s, _k: 1.0).enough(standing("1"), 0, 1.0)
    assert not Stopping(decided, least=3).enough(standing("1", "1"), 1, 1.0)
    assert Stopping(decided, least=3).enough(standing("1", "1", "1"), 1, 1.0)


def test_a_watch_counts_a_solution_once_and_a_valued_one_when_it_is_judged():
    plain = Watch(Stopping(decided), 3, key, valued=False)
    assert plain.count(solution(0, "1"))
    assert not plain.count(solution(0, "1", 0.5))
    assert not plain.enough(1.0)
    assert plain.count(solution(1, "1.0"))
    assert plain.enough(1.0)
    valued = Watch(Stopping(decided), 3, key, valued=True)
    assert not valued.count(solution(0, "1"))
    assert valued.count(solution(0, "1", 0.5))


def test_a_watch_waits_for_what_later_plans_may_bring():
    rule = Watch(Stopping(decided, later=2), 3, key, valued=False)
    assert [rule.count(solution(i, "1")) and rule.enough(1.0) for i in range(3)] == [False, False, True]


def test_a_watch_has_nothing_to_stop_when_all_have_come():
    rule = Watch(Stopping(decided), 1, key, valued=False)
    assert rule.count(solution(0, None))
    assert not rule.enough(1.0)


def test_of_the_best_solution_no_rule_can_say_anything():
    assert watch(Stopping(decided), Aggregate.BEST_OF_N, 3, key, valued=True) is None
    assert watch(None, Aggregate.MAJORITY, 3, key, valued=False) is None
