import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.aggregation import Aggregate, Reduce, aggregate, reduce
from router.equality import key
from router.types import Candidate, Finish, Verdict

REWARDS = st.lists(st.floats(0, 1), max_size=6)


def solution(index: int, answer: str | None, value: float | None = None, finish: Finish = Finish.EOS) -> Candidate:
    text = "I cannot say" if answer is None else f"\\boxed{{{answer}}}"
    return Candidate(path=(index,), text=text, tokens=3, finish=finish, value=value)


def decide(how: Aggregate, *solutions: tuple[str | None, float | None]) -> Verdict:
    return aggregate([solution(i, a, v) for i, (a, v) in enumerate(solutions)], how, key)


def ranked(verdict: Verdict) -> list[int]:
    return [c.path[0] for c in verdict.ranking]


@pytest.mark.parametrize(
    ("how", "value"), [(Reduce.LAST, 0.8), (Reduce.MINIMUM, 0.5), (Reduce.PRODUCT, 0.36), (Reduce.MEAN, 2.2 / 3)]
)
def test_step_rewards_are_reduced_as_in_the_papers(how: Reduce, value: float):
    assert reduce([0.9, 0.5, 0.8], how) == pytest.approx(value)


@pytest.mark.parametrize("how", Reduce)
def test_without_a_step_there_is_no_value(how: Reduce):
    assert reduce([], how) == 0.0


@pytest.mark.parametrize("how", Reduce)
@given(rewards=REWARDS)
def test_a_value_is_between_zero_and_one(how: Reduce, rewards: list[float]):
    assert 0.0 <= reduce(rewards, how) <= 1.0 + 1e-12


def test_a_majority_is_counted_by_equal_answers_not_by_equal_texts():
    verdict = decide(Aggregate.MAJORITY, ("3", None), ("1/2", None), ("0.5", None), ("\\frac{1}{2}", None), ("3", None))
    assert [(v.answer, v.count, v.weight) for v in verdict.votes] == [("1/2", 3, 3.0), ("3", 2, 2.0)]
    assert (verdict.answer, verdict.confidence, verdict.chosen.path) == ("1/2", 0.6, (1,))
    assert ranked(verdict) == [1, 0, 2, 3, 4]


def test_a_tied_majority_goes_to_the_more_valuable_answer_and_then_to_the_first():
    assert decide(Aggregate.MAJORITY, ("1", 0.2), ("2", 0.9)).answer == "2"
    assert decide(Aggregate.MAJORITY, ("1", None), ("2", None)).answer == "1"


def test_values_do_not_sway_a_majority():
    assert decide(Aggregate.MAJORITY, ("1", 0.1), ("1", 0.1), ("2", 1.0)).answer == "1"


def test_best_of_n_is_the_most_valuable_solution():
    verdict = decide(Aggregate.BEST_OF_N, ("1", 0.6), ("1", 0.7), ("2", 0.9), ("1", 0.8))
    assert (verdict.answer, verdict.chosen.path) == ("2", (2,))
    assert ranked(verdict) == [2, 3, 1, 0]


def test_weighted_best_of_n_sums_the_values_of_equal_answers():
    verdict = decide(Aggregate.WEIGHTED_MAJORITY, ("1", 0.6), ("2", 0.9), ("1.0", 0.5), ("3", 0.25))
    assert [(v.answer, v.count) for v in verdict.votes] == [("1", 2), ("2", 1), ("3", 1)]
    assert [v.weight for v in verdict.votes] == pytest.approx([1.1, 0.9, 0.25])
    assert verdict.confidence == pytest.approx(1.1 / 2.25)
    assert ranked(verdict) == [0, 1, 3, 2]


def test_the_three_aggregates_can_disagree():
    votes = (("1", 0.1), ("1", 0.1), ("1", 0.1), ("2", 0.5), ("2", 0.5), ("3", 0.8))
    assert [decide(how, *votes).answer for how in Aggregate] == ["1", "3", "2"]


@pytest.mark.parametrize("how", Aggregate)
def test_without_any_value_it_is_a_majority_vote(how: Aggregate):
    verdict = decide(how, ("2", None), ("1", None), ("1", None))
    assert (verdict.answer, verdict.confidence) == ("1", 2 / 3)


def test_a_solution_the_scorer_did_not_reach_weighs_as_much_as_the_mean():
    verdict = decide(Aggregate.WEIGHTED_MAJORITY, ("1", 0.5), ("2", 0.3), ("2", None))
    assert [v.weight for v in verdict.votes] == pytest.approx([0.7, 0.5])


def test_a_solution_the_scorer_did_not_reach_is_never_the_best():
    assert decide(Aggregate.BEST_OF_N, ("2", None), ("1", 0.01)).answer == "1"


def test_values_of_zero_leave_the_count_to_decide():
    verdict = decide(Aggregate.WEIGHTED_MAJORITY, ("1", 0.0), ("2", 0.0), ("2", 0.0))
    assert (verdict.answer, verdict.confidence) == ("2", 2 / 3)


def test_solutions_without_an_answer_do_not_vote():
    verdict = decide(Aggregate.MAJORITY, (None, None), (None, None), ("7", None))
    assert (verdict.answer, verdict.confidence) == ("7", 1.0)
    assert ranked(verdict) == [2, 0, 1]


def test_where_none_states_an_answer_the_most_valuable_is_chosen():
    verdict = decide(Aggregate.MAJORITY, (None, 0.2), (None, 0.7), (None, None))
    assert (verdict.answer, verdict.confidence, ranked(verdict)) == (None, 0.0, [1, 0, 2])
    assert [(v.answer, v.count) for v in verdict.votes] == [(None, 3)]


def test_where_nothing_has_a_value_the_first_that_was_not_cut_is_chosen():
    cut, whole = solution(0, None, finish=Finish.LENGTH), solution(1, None)
    assert aggregate([cut, whole], Aggregate.MAJORITY, key).chosen is whole


def test_the_last_number_of_a_cut_solution_is_no_vote():
    cut = [Candidate(path=(i,), text="So 3 + 4 = 1", tokens=6, finish=Finish.LENGTH) for i in range(3)]
    verdict = aggregate([*cut, solution(3, "7")], Aggregate.MAJORITY, key)
    assert (verdict.answer, len(verdict.votes)) == ("7", 1)


def test_the_wording_of_the_answer_is_the_commonest_one():
    verdict = decide(Aggregate.MAJORITY, ("0.5", None), ("1/2", None), ("1/2", None))
    assert (verdict.answer, verdict.chosen.path) == ("1/2", (1,))


def test_another_equivalence_can_be_used():
    solutions = [solution(0, "red"), solution(1, "green"), solution(2, "rot")]
    verdict = aggregate(solutions, Aggregate.MAJORITY, lambda a: a[0])
    assert [(v.answer, v.count) for v in verdict.votes] == [("red", 2), ("green", 1)]


@given(
    st.lists(st.tuples(st.sampled_from(["1", "2", "3", None]), st.none() | st.floats(0, 1)), min_size=1, max_size=12),
    st.sampled_from(Aggregate),
)
def test_every_solution_is_ranked_once_and_every_answer_is_counted_once(
    votes: list[tuple[str | None, float | None]], how: Aggregate
):
    verdict = decide(how, *votes)
    assert sorted(ranked(verdict)) == list(range(len(votes)))
    answered = [a for a, _ in votes if a is not None]
    assert sum(v.count for v in verdict.votes) == (len(answered) or len(votes))
    assert {v.answer for v in verdict.votes} == (set(answered) or {None})
    assert verdict.votes[0].answer == verdict.answer
    assert 0.0 <= verdict.confidence <= 1.0
    if how is not Aggregate.BEST_OF_N and answered:
        assert verdict.votes[0].weight == max(v.weight for v in verdict.votes)
    if how is Aggregate.BEST_OF_N and any(v is not None for a, v in votes if a is not None):
        best = max(v for a, v in votes if a is not None and v is not None)
        assert verdict.chosen.value is not None
        assert math.isclose(verdict.chosen.value, best)
