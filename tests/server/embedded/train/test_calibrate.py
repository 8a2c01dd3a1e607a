import numpy as np
import pytest

from router.aggregation import Aggregate, Reduce
from server.embedded.train.calibrate import (
    Judged,
    Measured,
    accuracy,
    calibration,
    cross_fitted,
    halves,
    labelled_steps,
    reliability,
    within_problem_auc,
)
from server.embedded.train.logistic import Logistic
from server.embedded.train.records import Record, Sampled


def record(level: int, samples: list[Sampled], question: str = "?") -> Record:
    return Record(question, "arithmetic", level, [1], samples)


def sampled(token: int, answer: str, right: bool, labels: list[bool]) -> Sampled:
    return Sampled([token], rf"$\boxed{{{answer}}}$", right, labels)


def steps(*surprises: float) -> np.ndarray:
    return np.array([[surprise, 0.0, 0.0] for surprise in surprises])


RIGHT = sampled(1, "7", True, [True, True])
WRONG = [sampled(2, "8", False, [True, False]), sampled(3, "8", False, [True, False])]
MIXED = Measured(record(3, [RIGHT, *WRONG]), [steps(0.1, 0.1), steps(0.1, 5.0), steps(0.2, 5.0)])
JUDGED = Judged(MIXED.record, [(0.9, 0.9), (0.9, 0.1), (0.8, 0.1)])


def test_steps_are_labelled_up_to_the_first_wrong_one():
    one = Measured(record(1, [sampled(1, "7", False, [True, False, False])]), [steps(1.0, 2.0, 3.0)])
    rows, labels = labelled_steps([one])
    assert rows[:, 0].tolist() == [1.0, 2.0]
    assert labels.tolist() == [True, False]


def test_a_sample_counts_as_often_as_it_was_drawn():
    rows, _ = labelled_steps([Measured(record(1, [RIGHT, RIGHT]), [steps(1.0, 2.0)] * 2)])
    assert len(rows) == 4


def test_a_sample_whose_steps_are_unclear_is_not_fitted():
    rows, labels = labelled_steps([Measured(record(1, [RIGHT]), [steps(1.0, 2.0, 3.0)])])
    assert len(rows) == len(labels) == 0


def test_halves_share_every_level_and_no_problem():
    every = [Measured(record(level, [], f"{level}-{i}"), []) for level in (1, 2) for i in range(4)]
    first, second = halves(every)
    assert [m.record.level for m in first] == [m.record.level for m in second] == [1, 1, 2, 2]
    assert not {m.record.question for m in first} & {m.record.question for m in second}


def test_no_problem_is_judged_by_a_fit_to_itself():
    backwards = Measured(MIXED.record, [steps(5.0, 5.0), steps(5.0, 0.1), steps(5.0, 0.1)])
    of_the_first, of_the_second = cross_fitted([MIXED, backwards])
    # Each half alone would be fitted perfectly; judged by the other it comes out upside down.
    for judged in (of_the_first, of_the_second):
        assert judged.rewards[0][1] < judged.rewards[1][1]


def test_rewards_that_see_the_error_outvote_the_majority():
    assert accuracy([JUDGED], Reduce.PRODUCT, Aggregate.MAJORITY) == [0.0]
    assert accuracy([JUDGED], Reduce.PRODUCT, Aggregate.WEIGHTED_MAJORITY) == [1.0]
    assert accuracy([JUDGED], Reduce.PRODUCT, Aggregate.BEST_OF_N) == [1.0]


def test_auc_is_taken_within_each_mixed_problem_only():
    all_right = Judged(record(3, [RIGHT]), [(0.1, 0.1)])
    assert within_problem_auc([JUDGED, all_right], Reduce.PRODUCT) == [1.0]


def test_reliability_counts_each_labelled_step_in_its_tenth():
    found = reliability([JUDGED])
    assert found["steps"] == 6
    assert found["by_tenth_of_reward"] == [
        "mean 0.100, right 0.000, n=2",
        "mean 0.800, right 1.000, n=1",
        "mean 0.900, right 1.000, n=3",
    ]


def test_the_file_names_a_coefficient_per_feature():
    content = calibration(Logistic(np.array([-2.0, 0.0, 0.0]), 2.0), {})
    assert len(content["features"]) == len(content["coefficients"]) == 3
    assert content["intercept"] == pytest.approx(2.0)
    assert content["reduction"] == "product"
