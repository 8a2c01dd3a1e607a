import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.budget import Budget, Ledger
from router.difficulty.probe import grade, level, probe, shown
from router.equality import key
from router.ports import Measure
from router.search import Search
from router.testing import FakeGenerator, FakeScorer, run
from router.types import Candidate, Difficulty, Finish, Message, Problem


def solutions(*answers: tuple[str | None, float | None]) -> list[Candidate]:
    return [
        Candidate((i,), "hm" if a is None else f"\\boxed{{{a}}}", tokens=1, finish=Finish.EOS, value=v)
        for i, (a, v) in enumerate(answers)
    ]


@pytest.mark.parametrize(
    ("votes", "agreement", "value", "score", "level"),
    [
        ([("1", 1.0), ("1", 1.0), ("1.0", 1.0), ("1", 1.0)], 1.0, 1.0, 0.0, 1),
        ([("1", None), ("1", None), ("1", None), ("2", None)], 0.75, None, 0.25, 2),
        ([("1", 0.5), ("1", 0.5), ("2", 0.5), ("3", 0.5)], 0.5, 0.5, 0.5, 3),
        ([("1", 0.2), ("2", 0.4), ("3", 0.2), ("4", 0.2)], 0.25, 0.25, 0.75, 4),
        ([("1", 0.1), (None, 0.1), ("3", 0.1), ("4", None)], 0.25, 0.1, 0.825, 5),
        ([(None, None), (None, None)], 0.0, None, 1.0, 5),
        ([], 0.0, None, 1.0, 5),
    ],
)
def test_a_question_is_as_hard_as_its_samples_disagree_and_its_scorer_doubts(
    votes: list[tuple[str | None, float | None]], agreement: float, value: float | None, score: float, level: int
):
    difficulty = grade(solutions(*votes), key)
    assert difficulty.samples == len(votes)
    assert difficulty.agreement == agreement
    assert difficulty.value == (None if value is None else pytest.approx(value))
    assert difficulty.score == pytest.approx(score)
    assert difficulty.level == level


@given(st.lists(st.tuples(st.sampled_from(["1", "2", None]), st.none() | st.floats(0, 1)), max_size=6))
def test_a_grade_is_always_in_its_bounds(votes: list[tuple[str | None, float | None]]):
    difficulty = grade(solutions(*votes), key)
    assert 0.0 <= difficulty.score <= 1.0
    assert 1 <= difficulty.level <= 5


def test_the_last_number_of_a_cut_sample_is_no_agreement():
    cut = [Candidate((i,), "So it is 1", tokens=4, finish=Finish.LENGTH) for i in range(4)]
    assert grade(cut, key).agreement == 0.0


@pytest.mark.parametrize(("scorer", "value"), [(FakeScorer(lambda _t: 0.5), 0.5), (None, None)])
def test_the_samples_of_a_probe_are_charged_and_stay_solutions(scorer: FakeScorer | None, value: float | None):
    async def main() -> tuple[Difficulty, Search]:
        generator = FakeGenerator(lambda _text, _seed: "the answer is 7")
        ledger = Ledger(Budget(samples=8), 100)
        problem = Problem((Message("user", "what is it"),))
        search = Search(problem, Measure(3, 100), ledger, generator, scorer, longest=100)
        return await probe(search, 4, key), search

    difficulty, search = run(main())
    assert (difficulty.samples, difficulty.agreement, difficulty.value) == (4, 1.0, value)
    assert (len(search.solutions), search.ledger.spent.samples, search.ledger.spent.tokens) == (4, 4, 16)


def test_votes_are_told_by_their_shares():
    difficulty = grade(solutions(("1", None), ("2", None), ("1.0", None), (None, None), ("3", None)), key)
    assert (difficulty.agreement, difficulty.runner_up, difficulty.answers) == (0.4, 0.2, 3)
    assert difficulty.silent == pytest.approx(0.2)
    assert (difficulty.judged, difficulty.weight, difficulty.best, difficulty.pass_rate) == (0, 0.0, 0.0, None)


def test_values_are_told_of_the_answer_that_has_most_of_them():
    difficulty = grade(solutions(("1", 0.2), ("1", 0.2), ("2", 0.3), ("2", 0.5), (None, 0.9), ("3", None)), key)
    assert difficulty.judged == 5
    assert difficulty.weight == pytest.approx(0.8 / 1.2)
    assert difficulty.best == 0.5
    assert difficulty.value == pytest.approx(2.1 / 5)


@pytest.mark.parametrize("votes", [[("1", 0.0), ("2", 0.0)], [(None, 0.9)], []])
def test_without_any_weight_nobody_leads(votes: list[tuple[str | None, float | None]]):
    difficulty = grade(solutions(*votes), key)
    assert (difficulty.weight, difficulty.best) == (0.0, 0.0)


def test_the_first_solution_is_told_for_itself_and_lengths_on_average():
    difficulty = shown([1, 2], [None, None], [-3.0, -5.0], [10, 30])
    assert (difficulty.first_logprob, difficulty.length) == (-3.0, 20.0)


def test_nothing_shows_nothing():
    difficulty = shown([], [], [], [])
    assert (difficulty.samples, difficulty.silent, difficulty.first_logprob, difficulty.length) == (0, 0.0, 0.0, 0.0)


@pytest.mark.parametrize(("score", "bin_"), [(0.0, 1), (0.2, 1), (0.21, 2), (0.5, 3), (0.8, 4), (0.81, 5), (1.0, 5)])
def test_levels_are_fifths(score: float, bin_: int):
    assert level(score) == bin_
