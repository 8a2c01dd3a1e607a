import json
import math
from pathlib import Path

import numpy as np
import pytest

from server.calibration import FEATURES, Calibration, load_calibration

SHIPPED = Path(__file__).parents[2] / "server" / "embedded" / "weights" / "verifier" / "calibration.json"
LOGPROBS = np.array([-0.1, -2.0, -0.4])


def test_the_reward_is_the_logistic_of_the_weighted_features():
    calibration = Calibration(tuple(FEATURES), (-4.0, -0.25, 0.5), 3.0)
    z = 3.0 - 4.0 * math.log1p(2.0) - 0.25 * math.log1p(2.5) + 0.5 * math.log(3)
    assert calibration.reward(LOGPROBS) == pytest.approx(1 / (1 + math.exp(-z)))


@pytest.mark.parametrize(("intercept", "expected"), [(5000.0, 1.0), (-5000.0, 0.0)])
def test_extreme_values_stay_within_bounds(intercept: float, expected: float):
    assert Calibration((), (), intercept).reward(LOGPROBS) == expected


def test_rounding_above_certainty_is_certainty():
    calibration = Calibration(("log1p_largest_surprise",), (-1.0,), 0.0)
    assert calibration.reward(np.array([1e-6])) == 0.5


def test_a_step_without_tokens_is_an_error():
    with pytest.raises(ValueError, match="without tokens"):
        Calibration((), (), 0.0).reward(np.zeros(0))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"features": ["colour"], "coefficients": [1], "intercept": 0}, "colour"),
        ({"features": ["log_length"], "coefficients": [], "intercept": 0}, "0 coefficients"),
        ({"features": ["log_length"], "coefficients": [1]}, "intercept"),
        ({"features": ["log_length"], "coefficients": ["x"], "intercept": 0}, "x"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(tmp_path: Path, content: dict[str, object], message: str):
    path = tmp_path / "calibration.json"
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=message):
        load_calibration(path)


def test_a_missing_file_is_named(tmp_path: Path):
    with pytest.raises(ValueError, match="nowhere"):
        load_calibration(tmp_path / "nowhere.json")


def test_the_shipped_calibration_prefers_the_expected():
    calibration = load_calibration(SHIPPED)
    sure, unsure = calibration.reward(np.array([-0.001] * 10)), calibration.reward(np.array([-0.001] * 9 + [-4.0]))
    assert 0.0 < unsure < 0.5 < sure < 1.0
