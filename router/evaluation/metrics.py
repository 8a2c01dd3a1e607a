"""Estimates with their intervals. Everything is a function of its arguments and a seed."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np

_Z = 1.959963984540054
_RESAMPLES = 10_000


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean with its 95 % interval, from `n` observations."""

    mean: float
    low: float
    high: float
    n: int


def proportion(successes: int, n: int) -> Estimate:
    """Return a share with its Wilson score interval (Wilson 1927), which behaves near 0 and 1. `n` must be positive."""
    share = successes / n
    centre = (share + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
    half = _Z / (1 + _Z**2 / n) * sqrt(share * (1 - share) / n + _Z**2 / (4 * n**2))
    return Estimate(share, min(share, max(0.0, centre - half)), max(share, min(1.0, centre + half)), n)


def paired_difference(first: Sequence[bool], second: Sequence[bool], seed: int = 0) -> Estimate:
    """Return mean(first) - mean(second) over the same problems, with a percentile bootstrap over problems."""
    if len(first) != len(second) or not first:
        raise ValueError("a paired difference needs two sequences of the same length, not empty")
    difference = np.asarray(first, float) - np.asarray(second, float)
    rng = np.random.default_rng(seed)
    picks = rng.integers(0, len(difference), (_RESAMPLES, len(difference)), dtype=np.int32)
    low, high = np.percentile(difference[picks].mean(axis=1), [2.5, 97.5])
    return Estimate(float(difference.mean()), float(low), float(high), len(difference))


def percentile(values: Sequence[float], q: float) -> float:
    """Return the `q`-th percentile (0 to 100), interpolated; values must not be empty."""
    return float(np.percentile(np.asarray(values, float), q))
