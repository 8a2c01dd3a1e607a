"""Rows against each other: intervals, regrets, and compute at equal accuracy."""

import numpy as np
import pytest

from router.evaluation.journal import Journal, Record
from router.evaluation.matched import crossing
from router.evaluation.outcomes import View, collected
from router.evaluation.sweep import Arm
from router.policy.fixed import FixedPolicy


def arm(name: str, provenance: str = "") -> Arm:
    policy = FixedPolicy("greedy", 1)
    return Arm(name, name.partition("@")[0], 1, lambda _: policy, provenance)


def journal(correct: dict[str, list[int]], compute: dict[str, int], provenance: str = "") -> Journal:
    notes = Journal(None, {}, lambda: None)
    for name, marks in correct.items():
        for item, mark in enumerate(marks):
            level = item % 2 + 1
            notes.add(Record(name, item, level, bool(mark), compute=compute[name], policy=provenance))
    return notes


COMPUTE = {"a@1": 10, "b@4": 40, "c@64": 640}
MARKS = {"a@1": [1, 0, 0, 0] * 25, "b@4": [1, 1, 0, 0] * 25, "c@64": [1, 1, 0, 0] * 25}


def view(seeds: int = 1, levels: tuple[int, ...] = ()) -> View:
    arms = [arm(name) for name in MARKS]
    return View(collected(arms, [journal(MARKS, COMPUTE) for _ in range(seeds)], crossed=False), levels)


def test_one_seed_has_wilsons_interval_and_several_the_bootstraps():
    one, three = view().accuracy("b@4"), view(3).accuracy("b@4")
    assert (one.mean, one.n, three.mean, three.n) == (0.5, 100, 0.5, 300)
    assert one.low == pytest.approx(0.4038, abs=1e-4)
    assert one.high - one.low > three.high - three.low > 0.05


def test_a_level_has_its_own_problems():
    assert [view(2, (level,)).accuracy("a@1").mean for level in (1, 2)] == [0.5, 0.0]
    assert view(2, (1,)).n == 100
    assert view(1, (5,)).n == 0


def test_seeds_with_unequally_many_problems_of_a_level_count_as_one():
    notes = [journal(MARKS, COMPUTE), Journal(None, {}, lambda: None)]
    for name, marks in MARKS.items():
        for item, mark in enumerate(marks):
            notes[1].add(Record(name, item, 1, bool(mark), compute=COMPUTE[name]))
    outcomes = collected([arm(name) for name in MARKS], notes, crossed=False)
    assert View(outcomes, (1,)).accuracy("b@4").n == 150


def test_differences_are_paired():
    assert view().difference("b@4", "c@64") == view().difference("c@64", "b@4")
    assert (view().difference("b@4", "c@64").low, view().difference("b@4", "c@64").high) == (0, 0)
    gap = view(2).gap([("b@4", "a@1"), ("c@64", "a@1")])
    assert gap.mean == 0.25
    assert 0.15 < gap.low < 0.25 < gap.high < 0.35


def test_a_curve_that_is_as_accurate_at_a_sixteenth_of_the_compute_is_found():
    match = view(3).matched(["a@1", "b@4"], "c@64")
    assert match.ratio.mean == 16
    assert match.reached == 1
    assert view().saving("b@4", "c@64").mean == 16


def test_a_curve_that_never_gets_there_has_the_ratio_0():
    match = view().matched(["a@1"], "c@64")
    assert (match.ratio.mean, match.ratio.low, match.reached) == (0, 0, 0)


def test_composed_rows_do_what_they_are_told():
    outcomes = view().outcomes
    chosen = np.zeros((1, 100), np.int64)
    chosen[0, 1::4] = 1
    mixed = View(outcomes.composed({"oracle@4": chosen}))
    assert mixed.accuracy("oracle@4").mean == 0.5
    assert mixed.compute("oracle@4") == pytest.approx((3 * 10 + 40) / 4)
    assert outcomes.composed({}) is outcomes


def test_only_records_of_the_same_policy_are_collected():
    notes = journal({"r@1": [1, 1]}, {"r@1": 5}, "old")
    for item in (0, 1):
        notes.add(Record("r@1", item, None, correct=False, policy="new"))
    outcomes = collected([arm("r@1", "new")], [notes], crossed=False)
    assert outcomes.correct.tolist() == [[[0, 0]]]
    assert outcomes.levels.tolist() == [[0, 0]]


@pytest.mark.parametrize(
    ("target", "at"), [(0.4, 10.0), (0.5, 10.0), (0.6, 55.0), (0.7, 100.0), (0.75, 300.0), (0.9, np.inf)]
)
def test_a_curve_goes_straight_from_point_to_point(target: float, at: float):
    compute = np.array([[400.0, 10.0, 100.0, 200.0]])  # in any order
    accuracy = np.array([[0.8, 0.5, 0.7, 0.7]])
    assert crossing(accuracy, compute, np.array([target])) == pytest.approx([at])
