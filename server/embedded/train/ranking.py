"""How well values rank the solutions of one problem: within-problem AUC and bootstrap intervals.

What:     pooled over problems, a score that only knows which problems are hard looks excellent; what a search
          needs is the right solution above the wrong ones of the SAME problem, so that is what is measured.
Command:  none; `calibrate` imports it.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_RESAMPLES = 10_000


class Interval(NamedTuple):
    """A mean with its 95 % bootstrap interval, and the number of problems behind it."""

    mean: float
    low: float
    high: float
    problems: int

    def __str__(self) -> str:
        return f"{self.mean:.3f} [{self.low:.3f}, {self.high:.3f}] n={self.problems}"


def auc(values: Sequence[float], right: Sequence[bool]) -> float | None:
    """Return the chance that a right one has a higher value than a wrong one (ties half), None without both."""
    scores, is_right = np.asarray(values, np.float64), np.asarray(right, np.bool_)
    above, below = scores[is_right, None], scores[None, ~is_right]
    if not above.size or not below.size:
        return None
    return float((above > below).mean() + 0.5 * (above == below).mean())


def bootstrap(values: Sequence[float] | NDArray[np.float64], seed: int = 0) -> Interval:
    """Return the mean over problems and its percentile bootstrap interval. Raises ValueError without any value."""
    sample, rng = np.asarray(values, np.float64), np.random.default_rng(seed)
    if not len(sample):
        raise ValueError("an interval needs at least one value")
    means = sample[rng.integers(0, len(sample), (_RESAMPLES, len(sample)))].mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return Interval(float(sample.mean()), float(low), float(high), len(sample))
