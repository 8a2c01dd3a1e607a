"""Replaying a policy on recorded pools: what it answers and what that takes."""

from dataclasses import replace

import numpy as np
import pytest

from router.calibration.outcomes import Outcomes, outcomes
from router.calibration.pools import Pool, Searched, Solution
from router.calibration.replay import Held, replayed, value
from router.policy.calibrated import Part
from router.policy.table import Table

from ..policy.tables import option, state, table

PRICE = 0.001


def pool(*searches: Searched, item: int = 0) -> Pool:
    """The first answer is wrong; from two on weights are right, and majorities from eight on."""
    marks = [0, 1, 1, 0, 1, 1, 1, 1]
    solutions = tuple(Solution(10, -1.0, mark, mark == 1, 0.2 + 0.7 * mark, 3) for mark in marks)
    return Pool(item, "q", None, 5, (), solutions, searches)


DATA = outcomes([pool()], 2.0, [0.5])


def ran(found: Table, data: Outcomes = DATA, samples: int = 8, *parts: Part) -> tuple[float, float]:
    held = replayed(data, [(found, np.array([0]))], PRICE, samples, frozenset(parts))
    return held.right[0], held.compute[0]


def test_where_more_is_not_worth_it_one_solution_is_the_answer():
    assert ran(table(state(0), state(1))) == (0.0, 10.0)


def test_judging_what_there_is_costs_what_judging_reads():
    assert ran(table(state(1, option("weighted_best_of_n", 1, 0.1, 0.6)), state(1, judged=True))) == (0.0, 16.0)


def test_rounds_add_up():
    found = table(state(1, option("majority_voting", 8, 0.9, 7.0)))
    assert ran(found) == (1.0, 80.0)
    late = table(*(state(n, option("weighted_best_of_n", 2, 0.9, 2.0)) for n in (1, 2)), state(2, judged=True))
    assert ran(late) == (1.0, 32.0)


def test_no_more_is_drawn_than_the_budget_has():
    found = table(*(state(n, option("majority_voting", 8, 0.9, 8.0 - n)) for n in (1, 2, 4)))
    assert [ran(found, DATA, n)[1] for n in (1, 2, 4, 7, 8, 100)] == [10.0, 20.0, 40.0, 40.0, 80.0, 80.0]


def test_a_tree_search_is_the_answer_and_its_compute_comes_on_top():
    wrong, right = Searched("dvts", 4, 4, False, 111), Searched("dvts", 4, 2, True, 123)
    data = outcomes([pool(wrong, right)], 2.0, [0.5])
    assert ran(table(state(1, option("dvts", 5, 0.9, 12.3, m=2))), data) == (1.0, 133.0)
    assert ran(table(state(0, option("dvts", 4, 0.9, 12.3, m=2))), data, 8, "probe") == (1.0, 123.0)


@pytest.mark.parametrize(
    ("part", "compute"),
    [("stopping", 8 * 10.0 + 8 * 6.0), ("scorer", 10.0), ("probe", 20.0), ("replanning", 26.0 + 6.0)],
)
def test_parts_can_be_left_out(part: Part, compute: float):
    found = table(
        state(0, option("majority_voting", 2, 0.4, 2.0)),
        state(1, option("weighted_best_of_n", 2, 0.4, 2.0)),
        state(2, option("weighted_best_of_n", 8, 0.4, 2.0)),
        state(1, judged=True),
        state(2, judged=True),
    )
    assert ran(found, DATA, 8, part)[1] == compute


def test_each_problem_is_answered_with_the_table_beside_its_row():
    data = outcomes([pool(item=i) for i in range(3)], 2.0, [0.5] * 3)
    more = table(state(1, option("majority_voting", 8, 0.9, 7.0)))
    held = replayed(data, [(more, np.array([0, 2])), (table(state(1)), np.array([1]))], PRICE, 8)
    assert held.compute.tolist() == [80.0, 10.0, 80.0]
    assert held.right.tolist() == [1.0, 0.0, 1.0]


def test_without_a_scorer_nothing_is_judged():
    plain = replace(pool(), solutions=tuple(replace(s, value=None) for s in pool().solutions))
    data = outcomes([plain], 0.0, [0.5])
    assert ran(table(state(1, option("weighted_best_of_n", 2, 0.9, 1.0))), data) == (0.0, 10.0)


def test_a_policy_is_worth_its_accuracy_less_the_price_of_its_compute():
    held = [Held(p, np.array([1.0, 0.0]), np.array([10.0, 30.0])) for p in (0.01, 0.03)]
    assert value(held, 10.0) == pytest.approx(0.5 - 0.02 * 2.0)
