"""What could be reached by who knows how hard each problem is: the bound that a router is held against.

Snell et al. 2024 (section 3.2): problems are put into five bins by their true pass rate, for each bin the best strategy
is chosen on one half of the problems and applied to the other, and the other way round. Knowing costs nothing here.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .metrics import Numbers

Places = NDArray[np.int64]

BINS = 5


def bins(rates: Numbers, seed: int = 0) -> Places:
    """Return the quintile, from 0, of each pass rate. Equal rates are parted by lot."""
    lots = np.random.default_rng(seed).random(rates.size)
    order = np.lexsort((lots, rates.ravel()))
    ranks = np.empty(rates.size, np.int64)
    ranks[order] = np.arange(rates.size)
    return (ranks * BINS // rates.size).reshape(rates.shape)


def halves(seeds: int, problems: int, *, crossed: bool = False, seed: int = 0) -> Places:
    """Return the half, 0 or 1, of each problem. With `crossed` a problem is in the same half under every seed."""
    rng = np.random.default_rng(seed)
    drawn = np.stack([rng.permutation(problems) % 2 for _ in range(1 if crossed else seeds)])
    return np.broadcast_to(drawn, (seeds, problems)).copy()


def choose(correct: Numbers, compute: Numbers, rates: Numbers, half: Places, rows: Sequence[int]) -> Places:
    """Return for each problem the row that is best for its bin, as the other half shows it: shape (seeds, problems).

    `correct` and `compute` have shape (rows, seeds, problems). Only `rows` are chosen from; of equally accurate ones
    the cheaper. Where a bin has nothing in the other half, the whole other half decides.
    """
    where, chosen = bins(rates), np.empty(rates.shape, np.int64)
    for fold in (0, 1):
        for place in range(BINS):
            seen = (half != fold) & (where == place)
            seen = seen if seen.any() else half != fold if (half != fold).any() else np.ones_like(half, bool)
            best = min(rows, key=lambda r: (-correct[r][seen].mean(), compute[r][seen].mean()))
            chosen[(half == fold) & (where == place)] = best
    return chosen
