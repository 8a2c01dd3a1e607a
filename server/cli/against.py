"""How the rows of an evaluation compare with each other: differences, regret, and compute at equal accuracy."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from router.evaluation.matched import Match
from router.evaluation.metrics import Estimate
from router.evaluation.outcomes import View
from router.evaluation.sweep import Arm

from .arms import AUTO, ORACLE, is_fixed

_LEVELS = (1, 2, 3, 4, 5)


@dataclass(frozen=True, slots=True)
class Comparison:
    """The difference in accuracy of two rows over the same problems of these levels."""

    first: str
    second: str
    levels: tuple[int, ...]
    difference: Estimate


@dataclass(frozen=True, slots=True)
class Best:
    """A row of the router less the best fixed strategy within its bound, of samples or of mean compute.

    The best is chosen by its accuracy on these very problems, which is in its favour.
    """

    router: str
    fixed: str
    bound: Literal["samples", "compute"]
    difference: Estimate


@dataclass(frozen=True, slots=True)
class Regret:
    """The oracle less the router, as a mean over these budgets of samples."""

    router: str
    budgets: tuple[int, ...]
    regret: Estimate


@dataclass(frozen=True, slots=True)
class Matched:
    """How much less compute a curve of the router takes to be as accurate as the reference.

    `row` is the first on the curve that is not below the reference, as the paired interval has it (it holds 0 or is
    above), and `saving` the reference's compute over the row's; both None where there is no such row.
    """

    curve: tuple[str, ...]
    reference: str
    match: Match
    row: str | None
    difference: Estimate | None
    saving: Estimate | None


def comparisons(arms: Sequence[Arm], views: Sequence[View]) -> Iterator[Comparison]:
    """Compare every row with greedy, and with majority voting and weighted best-of-N at the same budget."""
    names = {a.name for a in arms}
    for arm in arms:
        for other in ("greedy", "majority_voting", "weighted_best_of_n"):
            against = "greedy@1" if other == "greedy" else f"{other}@{arm.samples}"
            if against in names and against != arm.name:
                for view in views:
                    difference = view.difference(arm.name, against)
                    yield Comparison(arm.name, against, view.levels or _LEVELS, difference)


def best(arms: Sequence[Arm], view: View) -> Iterator[Best]:
    """Compare every row of the router with the best fixed strategy that its samples, or its compute, would pay for."""
    fixed = [arm for arm in arms if is_fixed(arm)]
    for arm in (a for a in arms if not is_fixed(a)):
        within = {
            "samples": [f.name for f in fixed if f.samples <= arm.samples],
            "compute": [f.name for f in fixed if view.compute(f.name) <= view.compute(arm.name)],
        }
        for bound in ("samples", "compute"):
            if names := within[bound]:
                top = max(names, key=lambda name: (view.accuracy(name).mean, -view.compute(name)))
                yield Best(arm.name, top, bound, view.difference(arm.name, top))


def regrets(arms: Sequence[Arm], view: View) -> Iterator[Regret]:
    """Compare every form of the router with the oracle, over the budgets that both have."""
    for strategy, rows in _curves(arms).items():
        shared = [a for a in rows if not _is_auto(a) and f"{ORACLE}@{a.samples}" in view.outcomes.names]
        if shared:
            gap = view.gap([(f"{ORACLE}@{a.samples}", a.name) for a in shared])
            yield Regret(strategy, tuple(a.samples for a in shared), gap)


def matches(arms: Sequence[Arm], view: View, reference: str) -> Iterator[Matched]:
    """Find on every curve of the router where it is as accurate as the reference, if that is among the rows."""
    if reference not in view.outcomes.names:
        return
    for rows in _curves(arms).values():
        curve = sorted((a.name for a in rows), key=view.compute)
        differences = [(name, view.difference(name, reference)) for name in curve]
        row, difference = next(((n, d) for n, d in differences if d.high >= 0), (None, None))
        saving = None if row is None else view.saving(row, reference)
        yield Matched(tuple(curve), reference, view.matched(curve, reference), row, difference, saving)


def _curves(arms: Sequence[Arm]) -> dict[str, list[Arm]]:
    """Return the rows of the router by what they have in common: its parts, and what bounds them."""
    curves = dict[str, list[Arm]]()
    for arm in arms:
        if not is_fixed(arm):
            curves.setdefault(f"{arm.strategy}@{AUTO}" if _is_auto(arm) else arm.strategy, []).append(arm)
    return curves


def _is_auto(arm: Arm) -> bool:
    return arm.name.partition("@")[2].startswith(AUTO)
