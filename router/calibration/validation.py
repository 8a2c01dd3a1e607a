"""How well a calibration holds on problems held out from it: what the policy did, how far to trust its posterior."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..policy.table import Table, Z
from .learners import Floats
from .outcomes import Outcomes, Standing, seen_at
from .replay import Held

_BINS = 10
Graded = dict[Standing, Floats]


def validated(data: Outcomes, problems: int, held: Sequence[Held], graded: Graded) -> dict[str, Any]:
    """Return, as plain data, what cross-validation found on the first `problems` pools.

    `policy` has a row for each price, `fixed` one for each fixed number of solutions, `difficulty` one for each
    standing: the Brier score of the posterior pass rate, that of a constant, its rank correlation with the true pass
    rate and that of plain agreement, and a reliability table.
    """
    first = slice(0, problems)
    fixed = [
        {"strategy": name, "n": n, **_result(data.right[n, judged][first], _compute(data, n, judged)[first])}
        for n, judged in data.right
        for name in [("weighted_best_of_n" if judged else "majority_voting") if n > 1 else "greedy"]
        if n > 1 or not judged
    ]
    return {
        "policy": [{"price": h.price, **_result(h.right, h.compute)} for h in held],
        "fixed": fixed,
        "difficulty": [_difficulty(data, standing, graded[standing], first) for standing in graded],
    }


def graded_by(data: Outcomes, tables: Sequence[tuple[Table, NDArray[np.intp]]]) -> Graded:
    """Return each problem's posterior pass rate in each standing, by the table that has not seen it."""
    problems = sum(len(rows) for _, rows in tables)
    graded = {(s.samples, s.judged): np.zeros(problems) for s in tables[0][0].states}
    for table, rows in tables:
        for state in table.states:
            standing = state.samples, state.judged
            graded[standing][rows] = [state.pass_rate(seen) for seen in seen_at(data, rows, standing).tolist()]
    return graded


def spearman(first: Floats, second: Floats) -> float:
    """Return the rank correlation of two samples, ties at their mean rank; 0.0 where one of them is constant."""
    a, b = _ranks(first), _ranks(second)
    if a.std() == 0 or b.std() == 0:
        return 0.0
    return float(np.corrcoef(a, b)[0, 1])


def reliability(predicted: Floats, actual: Floats) -> list[dict[str, float]]:
    """Return ten bins of equal width: how many problems, the mean prediction, the mean of what was so."""
    bins = np.minimum((predicted * _BINS).astype(int), _BINS - 1)
    return [
        {"problems": int(some.sum()), "predicted": float(predicted[some].mean()), "actual": float(actual[some].mean())}
        for some in (bins == b for b in range(_BINS))
        if some.any()
    ]


def _difficulty(data: Outcomes, standing: Standing, posterior: Floats, first: slice) -> dict[str, Any]:
    truth = data.pass_rates[first]
    shown = data.difficulties.get(standing)
    agreement = np.array([d.agreement for d in shown[first]]) if shown else np.zeros(len(truth))
    return {
        "samples": standing[0],
        "judged": standing[1],
        "brier": float(np.mean((posterior - truth) ** 2)),
        "brier_constant": float(truth.var()),
        "spearman": spearman(posterior, truth),
        "spearman_agreement": spearman(agreement, truth),
        "reliability": reliability(posterior, truth),
    }


def _compute(data: Outcomes, n: int, judged: bool) -> Floats:
    return data.generated[n] + data.judging[n] if judged else data.generated[n]


def _result(right: Floats, compute: Floats) -> dict[str, float]:
    half = Z * float(right.std()) / len(right) ** 0.5
    accuracy = float(right.mean())
    return {"accuracy": accuracy, "low": accuracy - half, "high": accuracy + half, "compute": float(compute.mean())}


def _ranks(values: Floats) -> Floats:
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(count)
    return (ends - (count - 1) / 2.0)[place]
