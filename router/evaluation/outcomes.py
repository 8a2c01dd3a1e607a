"""What every row did with every problem under every seed, as arrays, and what follows from them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from .journal import Journal
from .matched import Match, matched
from .metrics import Estimate, Numbers, interval, proportion, resampled
from .oracle import Places
from .sweep import Arm


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Arrays of shape (rows, seeds, problems); `levels` is (seeds, problems), 0 where nobody says how hard.

    `crossed` says that all seeds have the same problems.
    """

    names: tuple[str, ...]
    correct: Numbers
    undecided: Numbers
    tokens: Numbers
    scorer_tokens: Numbers
    compute: Numbers
    levels: Places
    crossed: bool

    def row(self, name: str) -> int:
        """Return the place of a row. Raises ValueError."""
        return self.names.index(name)

    def composed(self, rows: Mapping[str, Places]) -> "Outcomes":
        """Return the outcomes with further rows, each doing with each problem what the row named for it did."""
        if not rows:
            return self

        def longer(array: Numbers) -> Numbers:
            more = [np.take_along_axis(array, chosen[None], 0) for chosen in rows.values()]
            return np.concatenate([array, *more])

        return replace(
            self,
            names=(*self.names, *rows),
            correct=longer(self.correct),
            undecided=longer(self.undecided),
            tokens=longer(self.tokens),
            scorer_tokens=longer(self.scorer_tokens),
            compute=longer(self.compute),
        )


def collected(arms: Sequence[Arm], journals: Sequence[Journal], *, crossed: bool) -> Outcomes:
    """Return what the journals, one a seed, say of these arms. All must be complete."""
    records = [[journal.of(arm.name, arm.provenance) for journal in journals] for arm in arms]

    def array(field: str) -> Numbers:
        return np.array([[[getattr(r, field) for r in seed] for seed in row] for row in records], float)

    return Outcomes(
        names=tuple(arm.name for arm in arms),
        correct=array("correct"),
        undecided=array("undecided"),
        tokens=array("tokens"),
        scorer_tokens=array("scorer_tokens"),
        compute=array("compute"),
        levels=np.array([[r.level or 0 for r in seed] for seed in records[0]], np.int64),
        crossed=crossed,
    )


@dataclass(frozen=True)
class View:
    """The outcomes of some levels (all where `levels` is empty), with their intervals.

    Accuracies of a single seed have Wilson's interval; everything else is bootstrapped over seeds and problems. All
    that one view says comes from the same draws, so that any two rows are compared pairwise.
    """

    outcomes: Outcomes
    levels: tuple[int, ...] = ()

    @cached_property
    def _shown(self) -> NDArray[np.bool_]:
        everything = np.ones_like(self.outcomes.levels, bool)
        return np.isin(self.outcomes.levels, self.levels) if self.levels else everything

    @property
    def n(self) -> int:
        """Problems in this view, those of all seeds together."""
        return int(self._shown.sum())

    @cached_property
    def _values(self) -> Numbers:
        """Correctness and compute of the rows: (seeds, problems, 2 x rows)."""
        values = np.concatenate([self.outcomes.correct, self.outcomes.compute])
        sizes = self._shown.sum(axis=1)
        if len(set(sizes.tolist())) > 1:  # seeds that drew unequally many of these levels count as one
            return values[:, self._shown].T[None]
        return np.stack([values[:, s, shown].T for s, shown in enumerate(self._shown)])

    @cached_property
    def _draws(self) -> Numbers:
        return resampled(self._values, crossed=self.outcomes.crossed)

    @cached_property
    def _means(self) -> Numbers:
        return self._values.mean(axis=(0, 1))

    def accuracy(self, name: str) -> Estimate:
        """Return the share of right answers of a row."""
        row = self.outcomes.row(name)
        if len(self.outcomes.levels) == 1:
            return proportion(int(self._values[:, :, row].sum()), self.n)
        return interval(self._means[row], self._draws[:, row], self.n)

    def compute(self, name: str) -> float:
        """Return the mean compute of a row."""
        return float(self._means[len(self.outcomes.names) + self.outcomes.row(name)])

    def difference(self, first: str, second: str) -> Estimate:
        """Return how much more accurate the first row is."""
        return self.gap([(first, second)])

    def gap(self, pairs: Sequence[tuple[str, str]]) -> Estimate:
        """Return how much more accurate the first row of a pair is, as a mean over the pairs."""
        first, second = ([self.outcomes.row(pair[i]) for pair in pairs] for i in (0, 1))
        draws = (self._draws[:, first] - self._draws[:, second]).mean(axis=1)
        return interval(float((self._means[first] - self._means[second]).mean()), draws, self.n)

    def matched(self, curve: Sequence[str], reference: str) -> Match:
        """Return how much less compute a curve through these rows takes to be as accurate as the reference."""
        rows = np.array([self.outcomes.row(name) for name in (*curve, reference)])
        costs = rows + len(self.outcomes.names)
        return matched(
            self._draws[:, rows[:-1]],
            self._draws[:, costs[:-1]],
            (self._draws[:, rows[-1]], self._draws[:, costs[-1]]),
            (self._means[rows], self._means[costs]),
            self.n,
        )

    def saving(self, name: str, reference: str) -> Estimate:
        """Return how many times the compute of a row the reference takes."""
        row, other = (len(self.outcomes.names) + self.outcomes.row(n) for n in (name, reference))
        return interval(self._means[other] / self._means[row], self._draws[:, other] / self._draws[:, row], self.n)
