import numpy as np
import pytest

from router.aggregation import Aggregate, Reduce
from server.embedded.train.calibrate import (
    Measured,
    accuracy,
    calibration,
    halves,
    labelled_steps,
    within_problem_auc,
)
from server.embedded.train.logistic import Logistic
from server.embedded.train.records import Record, Sampled

SURPRISE_ONLY = Logistic(np.array([-2.0, 0.0, 0.0]), 2.0)
"""A reward that falls with the first feature and ignores the others."""


def record(level: int, samples: list[Sampled], question: str = "?") -> Record:
    return Record(question, "arithmetic", level, [1], samples)


def sampled(token: int, answer: str, right: bool, labels: list[bool]) -> Sampled:
    return Sampled([token], rf"$\boxed{{{answer}}}$", right, labels)


def steps(*surprises: float) -> np.ndarray:
    return np.array([[surprise, 0.0, 0.0] for surprise in surprises])


MIXED = Measured(
    record(
        3,
        [
            sampled(1, "7", True, [True, True]),
            sampled(2, "8", False, [True, False]),
            sampled(3, "8", False, [True, False]),
        ],
    ),
    [steps(0.1, 0.1), steps(0.1, 5.0), steps(0.2, 5.0)],
)


def test_steps_are_labelled_up_to_the_first_wrong_one():
    one = Measured(record(1, [sampled(1, "7", False, [True, False, False])]), [steps(1.0, 2.0, 3.0)])
    rows, labels = labelled_steps([one])
    assert rows[:, 0].tolist() == [1.0, 2.0]
    assert labels.tolist() == [True, False]


def test_a_repeated_sample_is_labelled_once():
    same = sampled(1, "7", True, [True])
    rows, _ = labelled_steps([Measured(record(1, [same, same]), [steps(1.0), steps(1.0)])])
    assert len(rows) == 1


def test_halves_share_every_level_and_no_problem():
    records = [record(level, [], f"{level}-{i}") for level in (1, 2) for i in range(4)]
    first, second = halves(records)
    assert [r.level for r in first] == [r.level for r in second] == [1, 1, 2, 2]
    assert not {r.question for r in first} & {r.question for r in second}


def test_rewards_that_see_the_error_outvote_the_majority():
    assert accuracy([MIXED], SURPRISE_ONLY, Reduce.PRODUCT, Aggregate.MAJORITY) == [0.0]
    assert accuracy([MIXED], SURPRISE_ONLY, Reduce.PRODUCT, Aggregate.WEIGHTED_MAJORITY) == [1.0]


def test_auc_is_taken_within_each_mixed_problem_only():
    all_right = Measured(record(3, [sampled(1, "7", True, [True])]), [steps(9.0)])
    assert within_problem_auc([MIXED, all_right], SURPRISE_ONLY, Reduce.PRODUCT) == [1.0]


def test_the_file_names_a_coefficient_per_feature():
    content = calibration(SURPRISE_ONLY, {})
    assert len(content["features"]) == len(content["coefficients"]) == 3
    assert content["intercept"] == pytest.approx(2.0)
    assert content["reduction"] == "product"
