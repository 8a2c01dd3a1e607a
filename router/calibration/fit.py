"""From recorded pools to a table: what each way to go on gains, by state and difficulty, and how well that holds.

The number of cells is chosen by cross-validation: by what the whole policy gets on problems it was not fitted to.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..policy.table import DOUBT, Cell, Logistic, Option, State, Table, Z
from .learners import Floats, logistic, tree
from .outcomes import Outcomes, Standing, outcomes, pass_rate, seen_at
from .pools import Pool, Solution
from .replay import PRICES, replayed, value
from .validation import graded_by, validated

Rows = NDArray[np.intp]

LEAST = 100
"""Fewest problems that anything is fitted to."""
LEAVES = (2, 4, 8, 12)
"""Numbers of cells of a state that are tried."""
_FOLDS = 5
_COPIES = 4
"""Orders of each pool that are fitted to: gains are then less of an accident."""
_SMALLEST = 20
_EITHER = 10
"""Fewest problems that one sample gets right more often than not, and fewest that it does not."""


class NotEnough(ValueError):
    """The data cannot support a fit; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """A table, and what it did in cross-validation: `validation` is plain data for the policy file."""

    table: Table
    validation: dict[str, Any]

    def summary(self) -> list[tuple[int, bool, int, Cell]]:
        """Return (samples, judged, number of the cell, cell) of every cell, in order."""
        return [(s.samples, s.judged, i, cell) for s in self.table.states for i, cell in enumerate(s.cells, 1)]


def fit(pools: Sequence[Pool], *, ratio: float, seed: int = 0, guided: bool = False) -> Fitted:
    """Fit a table to pools; `ratio` is the price of a scorer token. Raises NotEnough.

    `guided` has solutions looked at in the light of the estimate from the prompt.
    """
    _check(pools)
    folds = _folds(len(pools), seed)
    shuffled = [p for copy in range(_COPIES) for p in (pools if copy == 0 else _shuffled(pools, seed + copy))]
    data = replace(outcomes(shuffled, ratio, _cross_fitted(pools, folds) * _COPIES), guided=guided)
    tables = {n: _fold_tables(data, folds, n) for n in LEAVES if n * _SMALLEST <= len(pools)}
    tried = {n: tuple(replayed(data, some, price, data.stages[-1]) for price in PRICES) for n, some in tables.items()}
    leaves = max(tried, key=lambda n: (value(tried[n], data.unit), -n))  # ties go to the smaller table
    everything = np.arange(len(shuffled))
    table = replace(_table(data, everything, leaves), estimate=logistic(_prompts(shuffled), data.pass_rates))
    graded = graded_by(data, tables[leaves])
    return Fitted(table, {"cells": leaves, **validated(data, len(pools), tried[leaves], graded)})


def _check(pools: Sequence[Pool]) -> None:
    if len(pools) < LEAST:
        raise NotEnough(
            f"{len(pools)} usable problems are too few: at least {LEAST} are needed, {LEAST - len(pools)} more"
        )
    if min(len(p.solutions) for p in pools) < 2:
        raise NotEnough("a pool has fewer than two solutions: nothing can be told about drawing more")
    easy = sum(pass_rate(p) > 0.5 for p in pools)
    for count, what in ((easy, "more often than not"), (len(pools) - easy, "less often")):
        if count < _EITHER:
            raise NotEnough(
                f"only {count} of {len(pools)} problems are solved by one sample {what}; at least {_EITHER} such are "
                f"needed: add {'easier' if what.startswith('more') else 'harder'} problems, about "
                f"{(_EITHER - count) * len(pools) // max(1, count)} like these would do"
            )


def _folds(problems: int, seed: int) -> list[tuple[Rows, Rows]]:
    """Return (train, held out) row numbers of each fold."""
    order = np.random.default_rng(seed).permutation(problems)
    parts = np.array_split(order, _FOLDS)
    return [(np.sort(np.concatenate([*parts[:i], *parts[i + 1 :]])), np.sort(parts[i])) for i in range(_FOLDS)]


def _prompts(pools: Sequence[Pool]) -> Floats:
    return np.array([p.features for p in pools], float)


def _cross_fitted(pools: Sequence[Pool], folds: Sequence[tuple[Rows, Rows]]) -> list[float]:
    """Return each problem's estimate from its prompt, by a fit that has not seen it."""
    prompts, rates = _prompts(pools), np.array([pass_rate(p) for p in pools])
    estimates = np.zeros(len(pools))
    for train, held in folds:
        model = logistic(prompts[train], rates[train])
        estimates[held] = [model(row) for row in prompts[held].tolist()]
    return estimates.tolist()


def _shuffled(pools: Sequence[Pool], seed: int) -> list[Pool]:
    """Return the pools with their samples in another order, the greedy solution first: as good a draw as the first.

    What judging reads is kept by place: it depends on the order only through what was read before.
    """
    rng = np.random.default_rng(seed)
    return [replace(pool, solutions=_reordered(pool.solutions, rng)) for pool in pools]


def _reordered(solutions: Sequence[Solution], rng: np.random.Generator) -> tuple[Solution, ...]:
    order = [0, *(1 + rng.permutation(len(solutions) - 1)).tolist()]
    return tuple(replace(solutions[i], read=place.read) for i, place in zip(order, solutions, strict=True))


def _fold_tables(data: Outcomes, folds: Sequence[tuple[Rows, Rows]], leaves: int) -> list[tuple[Table, Rows]]:
    """Fit to all orders of the problems of each fold's training part; the rows beside a table are held out from it."""
    problems, copies = len(data.pools) // _COPIES, np.arange(_COPIES)[:, None]
    return [(_table(data, (copies * problems + train).ravel(), leaves), held) for train, held in folds]


def _table(data: Outcomes, rows: Rows, leaves: int) -> Table:
    """Sort the problems into cells in every standing, then value every option from the last standing backwards."""
    sorted_ = {standing: _sorted(data, rows, leaves, standing) for standing in [(0, False), *data.right]}
    values = dict[Standing, Floats]()
    states = list[State]()
    # What comes after judging is judged, and what comes later has more solutions: the ends first.
    for standing in sorted(sorted_, key=lambda s: (not s[1], -s[0])):
        state, members = sorted_[standing]
        values[standing] = np.tile(_now(data, standing), (len(PRICES), 1))
        cells = [_cell(data, some, standing, values) for some in members]
        states.append(replace(state, cells=tuple(cells)))
    nothing = Logistic(0.0, (), (), ())
    return Table(data.unit, PRICES, nothing, tuple(sorted(states, key=lambda s: (s.judged, s.samples))))


def _sorted(data: Outcomes, rows: Rows, leaves: int, standing: Standing) -> tuple[State, list[Rows]]:
    """Return a state without its cells, and the problems of each cell."""
    seen = seen_at(data, rows, standing)
    to_come = data.right[max(data.right)][rows] - _now(data, standing)[rows]
    # In smaller cells gains would be noise.
    sorter, count = tree(seen, to_come, leaves, max(_COPIES * _SMALLEST, len(rows) // (3 * leaves)))
    state = State(standing[0], standing[1], logistic(seen, data.pass_rates[rows]), sorter, ())
    if isinstance(sorter, int):
        return state, [rows]
    numbers = np.array([sorter.leaf(row) for row in seen.tolist()])
    return state, [rows[numbers == leaf] for leaf in range(count)]


def _now(data: Outcomes, standing: Standing) -> Floats:
    return data.right.get(standing, np.zeros(len(data.pools)))


def _cell(data: Outcomes, rows: Rows, standing: Standing, values: dict[Standing, Floats]) -> Cell:
    """Value the options of these problems, and with the best of them what they are worth in this standing.

    `values` has, for each standing after this one, what the policy gets from there on: accuracy less the price of the
    compute, by price and problem (optimal stopping by backward induction: Longstaff and Schwartz 2001).
    """
    now = _now(data, standing)[rows]
    best, options = np.zeros(len(PRICES)), list[Option]()
    found = sorted(_options(data, rows, standing, values), key=lambda pair: pair[0].compute)  # ties go to the cheaper
    for option, later in found:
        options.append(option)
        for k, worth in enumerate(option.worth):
            if worth > best[k]:
                best[k] = worth
                values[standing][k, rows] = later[k]
    kept = [o for o in options if max(o.worth) > 0 or o.gain > 0]
    return Cell(len(rows) // _COPIES, float(data.pass_rates[rows].mean()), float(now.mean()), tuple(kept))


def _options(
    data: Outcomes, rows: Rows, standing: Standing, values: dict[Standing, Floats]
) -> Iterator[tuple[Option, Floats]]:
    """Yield each option with what it gets by price and problem."""
    n, judged = standing
    following = next((more for more in data.stages if more > n), n)
    for more in data.stages:
        for then in ((more, False), (more, True)):
            if then == standing or then not in data.right or more < max(n, 1) or (judged and not then[1]):
                continue
            yield _option(data, rows, standing, then, values if more in (n, following) else None)
    if n <= 1 and not judged:
        yield from _searches(data, rows, standing)


def _option(
    data: Outcomes, rows: Rows, standing: Standing, then: Standing, values: dict[Standing, Floats] | None
) -> tuple[Option, Floats]:
    """Value going on to `then`: stopping there or, with `values`, going on from there as is best."""
    (n, was_judged), (more, judged) = standing, then
    compute = data.generated[more][rows] - (data.generated[n][rows] if n else 0.0)
    if judged:
        compute = compute + data.judging[more][rows] - (data.judging[n][rows] if was_judged else 0.0)
    name = "weighted_best_of_n" if judged else "majority_voting" if more > 1 else "greedy"
    ends = data.right[then][rows]
    return _valued(data, rows, standing, Option(name, more), ends, compute, values[then][:, rows] if values else None)


def _searches(data: Outcomes, rows: Rows, standing: Standing) -> Iterator[tuple[Option, Floats]]:
    """Yield the tree searches that were run on every problem."""
    runs = [{(s.strategy, s.n, s.m): s for s in data.pools[int(i)].searches} for i in rows]
    for strategy, n, m in data.searches:
        right = np.array([run[strategy, n, m].correct for run in runs], float)
        compute = np.array([run[strategy, n, m].compute for run in runs], float)
        yield _valued(data, rows, standing, Option(strategy, standing[0] + n, m=m), right, compute, None)


def _valued(
    data: Outcomes,
    rows: Rows,
    standing: Standing,
    option: Option,
    ends: Floats,
    compute: Floats,
    later: Floats | None,
) -> tuple[Option, Floats]:
    now = _now(data, standing)[rows]
    gains, problems = ends - now, max(1, len(rows) // _COPIES)
    gets = (ends if later is None else later) - np.outer(PRICES, compute / data.unit)
    worth = (gets - now).mean(axis=1) + DOUBT * (gets - now).std(axis=1) / problems**0.5
    gain, half = float(gains.mean()), Z * float(gains.std()) / problems**0.5
    valued = replace(
        option,
        gain=gain,
        low=max(-1.0, gain - half),
        high=min(1.0, gain + half),
        compute=float(compute.mean() / data.unit),
        worth=tuple(worth.tolist()),
    )
    return valued, gets
