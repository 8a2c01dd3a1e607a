"""How much less compute reaches the same accuracy."""

from dataclasses import dataclass

import numpy as np

from .metrics import Estimate, Numbers, interval


@dataclass(frozen=True, slots=True)
class Match:
    """Compute of a reference over the least compute at which a curve reaches the reference's accuracy.

    A curve that does not reach it has the ratio 0; `reached` is the share of bootstrap draws that do.
    """

    ratio: Estimate
    reached: float


def matched(
    accuracy: Numbers, compute: Numbers, reference: tuple[Numbers, Numbers], observed: tuple[Numbers, Numbers], n: int
) -> Match:
    """Return the ratio, with its interval from bootstrap draws.

    `accuracy` and `compute` are draws of the curve's points, shape (draws, points); `reference` the draws of the
    reference's accuracy and compute, shape (draws,). `observed` is the same without resampling: accuracies and computes
    of the curve's points and, last, of the reference. `n` is the number of problems.
    """
    (a, c), (target, price) = observed, reference
    ratio = c[-1] / crossing(a[None, :-1], c[None, :-1], a[-1:])
    draws = price / crossing(accuracy, compute, target)
    return Match(interval(float(ratio[0]), draws, n), float((draws > 0).mean()))


def crossing(accuracy: Numbers, compute: Numbers, target: Numbers) -> Numbers:
    """Return the least compute at which each curve is at its target, infinite where it never is: shape (curves,).

    `accuracy` and `compute` have shape (curves, points). A curve goes straight from point to point, by compute; nothing
    is known before its first.
    """
    order = np.argsort(compute, axis=1, kind="stable")
    x, y = np.take_along_axis(compute, order, 1), np.take_along_axis(accuracy, order, 1)
    found = np.where(y[:, 0] >= target, x[:, 0], np.inf)
    for i in range(x.shape[1] - 1):
        rise = y[:, i + 1] - y[:, i]
        share = np.clip((target - y[:, i]) / np.where(rise > 0, rise, 1.0), 0.0, 1.0)
        at = x[:, i] + share * (x[:, i + 1] - x[:, i])
        found = np.where(np.isinf(found) & (y[:, i + 1] >= target), at, found)
    return found
