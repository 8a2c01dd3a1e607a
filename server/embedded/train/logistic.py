"""Logistic regression by Newton's method, for a handful of features.

What:     the maximum-likelihood fit with a small ridge, so that separable data still have a finite fit.
Command:  none; `calibrate` imports it.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
RIDGE = 1e-3
_ROUNDS, _CLOSE = 50, 1e-9


class Logistic(NamedTuple):
    """P(true | x) = sigmoid(coefficients . x + intercept)."""

    coefficients: Floats
    intercept: float

    def probability(self, features: Floats) -> Floats:
        """Return the probability of each row of (count, features)."""
        return np.exp(self.log_probability(features))

    def log_probability(self, features: Floats) -> Floats:
        """Return its natural logarithm, exact far from 1 as well."""
        return -np.logaddexp(0.0, -(features @ self.coefficients + self.intercept))


def fit(features: Floats, labels: NDArray[np.bool_], ridge: float = RIDGE) -> Logistic:
    """Fit to rows (count, features) and labels (count,). Raises ValueError unless both labels occur."""
    if not (labels.any() and (~labels).any()):
        raise ValueError("a fit needs rows of both labels")
    rows = np.column_stack([features, np.ones(len(features))])
    penalty = np.diag([*[ridge] * features.shape[1], 0.0])
    weights = np.zeros(rows.shape[1])
    for _ in range(_ROUNDS):
        chance = np.exp(-np.logaddexp(0.0, -(rows @ weights)))
        gradient = rows.T @ (chance - labels) + penalty @ weights
        curvature = (rows * (chance * (1 - chance))[:, None]).T @ rows + penalty
        change = np.linalg.lstsq(curvature, gradient)[0]
        weights = weights - change
        if np.abs(change).max() < _CLOSE:
            break
    return Logistic(weights[:-1], float(weights[-1]))
