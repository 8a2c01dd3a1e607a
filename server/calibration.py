"""From what the verifier thinks of a step's tokens to the probability that the step is right."""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]

FEATURES: dict[str, Callable[[Floats], float]] = {
    "log1p_largest_surprise": lambda surprises: math.log1p(surprises.max()),
    "log1p_total_surprise": lambda surprises: math.log1p(surprises.sum()),
    "log_length": lambda surprises: math.log(len(surprises)),
}
"""Features of a step's surprises (n,), n >= 1: the negated natural log-probabilities of its tokens."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """A logistic regression (Platt 1999) on named features. An unknown feature is a ValueError."""

    features: tuple[str, ...]
    coefficients: tuple[float, ...]
    intercept: float

    def __post_init__(self) -> None:
        if unknown := [name for name in self.features if name not in FEATURES]:
            raise ValueError(f"unknown features: {', '.join(unknown)}; known are {', '.join(FEATURES)}")
        if len(self.features) != len(self.coefficients):
            raise ValueError(f"{len(self.features)} features but {len(self.coefficients)} coefficients")

    def reward(self, logprobs: Floats) -> float:
        """Return P(the step is right | the steps before it are) from its tokens' log-probabilities (n,), n >= 1."""
        if not len(logprobs):
            raise ValueError("a step without tokens has no reward")
        surprises = np.maximum(-logprobs.astype(np.float64), 0.0)
        terms = zip(self.coefficients, self.features, strict=True)
        return _logistic(self.intercept + sum(weight * FEATURES[name](surprises) for weight, name in terms))


def load_calibration(path: Path) -> Calibration:
    """Read a calibration file. Raises ValueError."""
    try:
        raw: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        features: Sequence[str] = raw["features"]
        coefficients = tuple(float(coefficient) for coefficient in raw["coefficients"])
        return Calibration(tuple(features), coefficients, float(raw["intercept"]))
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"cannot use the calibration {path}: {error}") from error


def _logistic(z: float) -> float:
    return 1.0 / (1.0 + math.exp(-z)) if z >= 0.0 else math.exp(z) / (1.0 + math.exp(z))
