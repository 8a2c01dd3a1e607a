"""What scikit-learn fits, as the plain data that the router reads."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..policy.table import Logistic, Split

Floats = NDArray[np.float64]
_LEAST_SPREAD = 1e-6


def logistic(features: Floats, rate: Floats, strength: float = 1.0) -> Logistic:
    """Fit a probability to observed rates in [0, 1] (a logistic regression with fractional outcomes), one row each.

    `strength` is the inverse of the ridge penalty. Features are standardised; constant ones get weight 0.
    """
    from sklearn.linear_model import LogisticRegression  # pyright: ignore[reportMissingTypeStubs]

    centre, spread = features.mean(axis=0), features.std(axis=0)
    scale = np.where(spread > _LEAST_SPREAD, spread, 1.0)
    rows = np.where(spread > _LEAST_SPREAD, (features - centre) / scale, 0.0)
    rate = np.clip(rate, 0.0, 1.0)
    if rate.min() == rate.max() or not (spread > _LEAST_SPREAD).any():
        mean = float(rate.mean())
        odds = (mean + _LEAST_SPREAD) / (1 - mean + _LEAST_SPREAD)
        return Logistic(float(np.log(odds)), (0.0,) * rows.shape[1], tuple(centre.tolist()), tuple(scale.tolist()))
    # A rate r is r parts of a success and 1 - r of a failure.
    both, outcome = np.concatenate([rows, rows]), np.repeat([1, 0], len(rows))
    weight = np.concatenate([rate, 1.0 - rate])
    kept = weight > 0
    model: Any = LogisticRegression(C=strength, max_iter=1000)
    model.fit(both[kept], outcome[kept], sample_weight=weight[kept])
    weights = tuple(float(w) for w in model.coef_[0])
    return Logistic(float(model.intercept_[0]), weights, tuple(centre.tolist()), tuple(scale.tolist()))


def tree(features: Floats, gain: Floats, leaves: int, smallest: int) -> tuple[Split | int, int]:
    """Fit a regression tree to gains; return it with its leaves numbered from 0, and how many there are.

    No leaf has fewer than `smallest` rows (CART: Breiman et al. 1984).
    """
    from sklearn.tree import DecisionTreeRegressor  # pyright: ignore[reportMissingTypeStubs]

    if leaves < 2 or len(gain) < 2 * smallest:
        return 0, 1
    model: Any = DecisionTreeRegressor(max_leaf_nodes=leaves, min_samples_leaf=smallest, random_state=0)
    model.fit(features, gain)
    fitted = model.tree_
    found = list[int]()

    def node(at: int) -> Split | int:
        if fitted.children_left[at] < 0:
            found.append(at)
            return len(found) - 1
        low, high = node(int(fitted.children_left[at])), node(int(fitted.children_right[at]))
        return Split(int(fitted.feature[at]), float(fitted.threshold[at]), low, high)

    return node(0), len(found)
