import math

import numpy as np
import pytest

from server.calibration import Calibration
from server.embedded.train.logistic import Logistic
from server.embedded.train.steps import FEATURES, step_features, step_lengths

BLANK, EOS = 9, 2


def test_a_step_holds_the_separator_that_ends_it():
    assert step_lengths([5, 6, BLANK, 7, EOS], BLANK) == [3, 2]


def test_a_step_that_ends_the_solution_with_a_separator_opens_no_other():
    assert step_lengths([5, BLANK, 7, BLANK], BLANK) == [2, 2]


def test_no_tokens_are_no_steps():
    assert step_lengths([], BLANK) == []


def test_each_step_has_largest_surprise_total_surprise_and_length_of_its_own_tokens():
    found = step_features(np.array([-1.0, -3.0, -5.0], np.float32), [2, 1])
    assert found[0] == pytest.approx([math.log(4), math.log(5), math.log(2)])
    assert found[1] == pytest.approx([math.log(6), math.log(6), 0.0])


def test_what_is_fitted_is_what_the_scorer_computes():
    logprobs = np.array([-0.5, -2.0, -0.01], np.float32)
    fitted = Logistic(np.array([-4.0, -0.3, 0.2]), 3.0)
    served = Calibration(FEATURES, (-4.0, -0.3, 0.2), 3.0)
    assert fitted.probability(step_features(logprobs, [3]))[0] == pytest.approx(served.reward(logprobs))
