"""Estimates with their intervals. Everything is a function of its arguments and a seed."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import fmean, pstdev

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


def within_problem_auc(groups: Sequence[tuple[Sequence[float], Sequence[float]]]) -> Estimate:
    """Return how often a right solution outscores a wrong one of the same problem; ties count half.

    `groups` holds, per problem, the scores of right and of wrong solutions; problems with only one kind are
    left out. The interval is the normal one over problems. Pooling over problems instead would reward a scorer for
    knowing which problems are hard. Raises ValueError when no problem has both.
    """
    aucs = [_auc(right, wrong) for right, wrong in groups if len(right) and len(wrong)]
    if not aucs:
        raise ValueError("no problem has both a right and a wrong solution")
    mean = fmean(aucs)
    half = _Z * pstdev(aucs) / sqrt(len(aucs))
    return Estimate(mean, max(0.0, mean - half), min(1.0, mean + half), len(aucs))


def _auc(right: Sequence[float], wrong: Sequence[float]) -> float:
    r, w = np.asarray(right, float)[:, None], np.asarray(wrong, float)[None, :]
    wins = np.count_nonzero(r > w) + 0.5 * np.count_nonzero(r == w)
    return wins / (len(right) * len(wrong))
