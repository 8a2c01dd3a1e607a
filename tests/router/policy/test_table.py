from math import log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.policy.table import EVIDENCE, Cell, Logistic, Option, Split, State, Table, evidence
from router.types import Difficulty

FLAT = Logistic(0.0, (), (), ())
CELLS = tuple(Cell(10, 0.1 * i, 0.2, ()) for i in range(3))
STATES = [(4, False), (0, False), (1, False), (2, True), (1, True)]


def table(*prices: float, states: list[tuple[int, bool]] = STATES) -> Table:
    return Table(20.0, prices or (0.001, 0.01), FLAT, tuple(State(n, j, FLAT, 0, CELLS[:1]) for n, j in states))


@pytest.mark.parametrize(
    ("samples", "judged", "found"),
    [
        (0, False, 0),
        (1, False, 1),
        (3, False, 1),
        (4, False, 4),
        (99, False, 4),
        (0, True, None),
        (1, True, 1),
        (9, True, 2),
    ],
)
def test_a_state_is_that_of_the_most_solutions_that_are_there(samples: int, judged: bool, found: int | None):
    state = table().state(samples, judged=judged)
    assert (state and state.samples) == found
    assert state is None or state.judged is judged


def test_what_is_known_before_the_first_solution_says_nothing_of_what_comes_after():
    assert table(states=[(0, False), (4, False)]).state(3, judged=False) is None


def test_a_table_knows_whether_a_scorer_took_part():
    assert table().judged
    assert not table(states=[(1, False)]).judged


@pytest.mark.parametrize(
    ("price", "at"),
    [
        (0.0, (0, 0, 0.0)),
        (0.0005, (0, 0, 0.0)),
        (0.001, (0, 1, 0.0)),
        (0.01, (1, 2, 0.0)),
        (0.1, (2, 2, 0.0)),
        (7.0, (2, 2, 0.0)),
    ],
)
def test_prices_of_the_table_are_taken_as_they_are(price: float, at: tuple[int, int, float]):
    assert table(0.001, 0.01, 0.1).at(price) == at


def test_between_two_prices_the_share_is_linear():
    assert table(0.001, 0.01, 0.1).at(0.0325) == (1, 2, pytest.approx(0.25))


@given(st.floats(0, 10, allow_nan=False))
def test_every_price_is_somewhere(price: float):
    low, high, share = table(0.001, 0.01, 0.1).at(price)
    assert 0 <= low <= high <= 2
    assert 0.0 <= share <= 1.0


def test_a_tree_sorts_by_thresholds():
    tree = Split(0, 0.5, 0, Split(1, 2.0, 1, 2))
    state = State(1, False, FLAT, tree, CELLS)
    found = [state.cell(features) for features in [(0.5, 9.0), (0.6, 2.0), (0.6, 2.1)]]
    assert found == list(CELLS)
    assert State(1, False, FLAT, 2, CELLS).cell((0.0,)) is CELLS[2]


def test_a_probability_standardises_its_features():
    model = Logistic(log(3.0), (log(2.0),), (10.0,), (5.0,))
    assert model([10.0]) == pytest.approx(0.75)
    assert model([15.0]) == pytest.approx(6 / 7)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_probability_is_never_certain(feature: float):
    assert 0.0 < Logistic(0.0, (1e6,), (0.0,), (1.0,))([feature]) < 1.0


def test_features_of_another_number_are_refused():
    with pytest.raises(ValueError, match="zip"):
        Logistic(0.0, (1.0,), (0.0,), (1.0,))([1.0, 2.0])


@given(
    st.builds(
        Difficulty,
        samples=st.integers(0, 64),
        agreement=st.floats(0, 1),
        value=st.none() | st.floats(0, 1),
        score=st.floats(0, 1),
        level=st.integers(1, 5),
        answers=st.integers(0, 64),
        best=st.floats(0, 1),
        first_logprob=st.floats(-1e6, 1.0),
        length=st.floats(0, 1e6),
    ),
    st.floats(0, 1),
)
def test_evidence_is_finite_whatever_is_shown(shown: Difficulty, estimate: float):
    found = dict(zip(EVIDENCE, evidence(shown, estimate), strict=True))
    assert all(abs(x) < 100 for x in found.values())
    assert (found["agreement"], found["estimate"]) == (shown.agreement, estimate)
    assert found["first_logprob"] >= 0.0


@pytest.mark.parametrize(
    ("samples", "weight", "tree", "guided"),
    [
        (1, 0.0, 0, False),
        (1, 0.0, Split(0, 0.5, Split(1, 0.5, 0, 1), 1), False),
        (1, 0.5, 0, True),
        (1, 0.0, Split(0, 0.5, 0, Split(9, 0.5, 0, 1)), True),
        (1, 0.0, Split(0, 0.5, Split(9, 0.5, 0, 1), 1), True),
        (0, 0.5, Split(9, 0.5, 0, 1), False),
    ],
)
def test_a_table_knows_whether_it_needs_the_estimate(samples: int, weight: float, tree: Split | int, guided: bool):
    zeros = (0.0,) * (len(EVIDENCE) - 1)
    model = Logistic(0.0, (*zeros, weight), (*zeros, 0.0), (1.0,) * len(EVIDENCE))
    assert Table(20.0, (0.01,), FLAT, (State(samples, False, model, tree, CELLS),)).guided is guided


def test_what_is_hoped_for_is_half_a_standard_error_better_than_seen():
    assert Option("majority_voting", 2, 0.1, 0.1 - 0.196, 0.1 + 0.196).hoped == pytest.approx(0.15)


def test_a_log_probability_that_is_not_told_is_taken_for_the_usual_one():
    usual = tuple(float(i) for i in range(len(EVIDENCE)))
    state = State(1, False, Logistic(0.0, (0.0,) * len(EVIDENCE), usual, (1.0,) * len(EVIDENCE)), 0, CELLS[:1])
    at = EVIDENCE.index("first_logprob")
    untold, told = (state.seen(Difficulty(1, 1.0, None, 0.0, 1, first_logprob=p), 0.5) for p in (0.0, -1.0))
    assert untold[at] == usual[at]
    assert told[at] == pytest.approx(log(2))
    assert untold[:at] + untold[at + 1 :] == told[:at] + told[at + 1 :]
