"""Estimates with their intervals. Everything is a function of its arguments and a seed."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]

RESAMPLES = 10_000
_Z = 1.959963984540054
_CHUNK = 1_000_000
"""Picks that are in memory at a time."""


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


def resampled(values: Numbers, *, crossed: bool = False, seed: int = 0) -> Numbers:
    """Return bootstrap draws of means: (10,000, k) from `values` of shape (seeds, problems, k).

    A hierarchical bootstrap (Davison and Hinkley 1997, section 3.8): seeds are drawn with replacement, then problems
    within each. With `crossed` all seeds have the same problems, and one draw of problems serves them all. With one
    seed it is the ordinary bootstrap over problems. What is computed from one row of draws is paired.
    """
    seeds, problems, k = values.shape
    if not seeds * problems:
        raise ValueError("there is nothing to resample")
    flat, rng = values.reshape(seeds * problems, k), np.random.default_rng(seed)
    draws, chunk = np.empty((RESAMPLES, k)), max(1, _CHUNK // (seeds * problems))
    for start in range(0, RESAMPLES, chunk):
        rows = min(chunk, RESAMPLES - start)
        picked = rng.integers(seeds, size=(rows, seeds, 1))
        within = rng.integers(problems, size=(rows, 1 if crossed else seeds, problems))
        place = np.arange(rows)[:, None, None] * seeds * problems + picked * problems + within
        counts = np.bincount(place.ravel(), minlength=rows * seeds * problems).reshape(rows, seeds * problems)
        draws[start : start + rows] = counts @ flat / (seeds * problems)
    return draws


def interval(value: float, draws: Numbers, n: int) -> Estimate:
    """Return `value` with the percentile interval of its bootstrap draws."""
    low, high = np.percentile(draws, [2.5, 97.5])
    return Estimate(float(value), float(low), float(high), n)


def paired_difference(first: Sequence[bool], second: Sequence[bool], seed: int = 0) -> Estimate:
    """Return mean(first) - mean(second) over the same problems, with a percentile bootstrap over problems."""
    if len(first) != len(second) or not first:
        raise ValueError("a paired difference needs two sequences of the same length, not empty")
    difference = np.asarray(first, float) - np.asarray(second, float)
    draws = resampled(difference[None, :, None], seed=seed)
    return interval(float(difference.mean()), draws[:, 0], len(difference))


def percentile(values: Sequence[float], q: float) -> float:
    """Return the `q`-th percentile (0 to 100), interpolated; values must not be empty."""
    return float(np.percentile(np.asarray(values, float), q))
