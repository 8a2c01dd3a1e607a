"""What a policy would have done on recorded pools: no new generation, the policy's own code."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..plan import Room
from ..policy.calibrated import CalibratedPolicy, Part
from ..policy.table import Table
from ..strategies.beam_search import BeamSearch
from ..strategies.dvts import DVTS
from .learners import Floats
from .outcomes import Outcomes

PRICES = (0.00002, 0.0001, 0.0003, 0.001, 0.003, 0.01)
"""Accuracy per sample-equivalent: the prices at which tables are compared."""


@dataclass(frozen=True, slots=True)
class Held:
    """What the policy did at one price on problems its table had not seen: arrays by problem."""

    price: float
    right: Floats
    compute: Floats


def value(held: Sequence[Held], unit: float) -> float:
    """Return what a policy is worth: accuracy less the price of its compute, the mean over the prices."""
    return float(np.mean([h.right.mean() - h.price * h.compute.mean() / unit for h in held]))


def replayed(
    data: Outcomes,
    tables: Sequence[tuple[Table, NDArray[np.intp]]],
    price: float,
    samples: int,
    without: frozenset[Part] = frozenset(),
) -> Held:
    """Answer each problem with the table that stands beside its row, with at most so many samples.

    Pools say what happens at their stages only: a budget between two of them is that of the lower.
    """
    samples = max(n for n in data.stages if n <= samples)
    problems = sum(len(rows) for _, rows in tables)
    right, compute = np.zeros(problems), np.zeros(problems)
    for table, rows in tables:
        for i in rows:
            policy = CalibratedPolicy(table, price, float(data.estimates[i]), without)
            right[i], compute[i] = _run(policy, data, int(i), samples)
    return Held(price, right, compute)


def _run(policy: CalibratedPolicy, data: Outcomes, i: int, samples: int) -> tuple[float, float]:
    """Return whether the policy's answer is right, and its compute."""
    n, judged = 0, False
    while True:
        shown = data.difficulties[n, judged][i] if n else None
        plan = policy.plan(shown, Room(samples - n, None, None, data.judged, solutions=n))
        if plan.strategy is None:
            break
        if isinstance(plan.strategy, BeamSearch | DVTS):
            run = next(s for s in data.pools[i].searches if (s.strategy, s.n, s.m) == _named(plan.strategy))
            return float(run.correct), _compute(data, i, n, judged) + run.compute
        n, judged = n + plan.n, judged or plan.name == "weighted_best_of_n"
    return float(data.right[n, judged][i]), _compute(data, i, n, judged)


def _named(tree: BeamSearch | DVTS) -> tuple[str, int, int]:
    return tree.name, tree.n, tree.m


def _compute(data: Outcomes, i: int, n: int, judged: bool) -> float:
    return float((data.generated[n][i] if n else 0.0) + (data.judging[n][i] if judged else 0.0))
