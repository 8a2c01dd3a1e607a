"""The results of an evaluation: rows, the oracle's rows, and how the router compares with both."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby

import numpy as np

from router.evaluation.metrics import Estimate, Numbers, percentile
from router.evaluation.oracle import Places, choose, halves
from router.evaluation.outcomes import Outcomes, View, collected
from router.evaluation.sweep import Arm, Journal

from .against import Best, Comparison, Matched, Regret, best, comparisons, matches, regrets
from .arms import ORACLE, SAMPLED, is_fixed

HARDER = (3, 4, 5)


@dataclass(frozen=True, slots=True)
class Times:
    """Wall-clock seconds of the rows, each for the problems at `places` of the first seed."""

    places: Sequence[int]
    seconds: Mapping[str, Sequence[float]]


@dataclass(frozen=True, slots=True)
class Study:
    """What has been run. `rating` is the arm whose records have the pass rates, if there is one."""

    source: str
    models: str
    policy: str
    seeds: tuple[int, ...]
    crossed: bool
    ratio: float
    arms: Sequence[Arm]
    rating: Arm | None
    journals: Sequence[Journal]
    times: Times
    reference: str


@dataclass(frozen=True, slots=True)
class Row:
    """One strategy at one budget. Tokens are means per problem; times are seconds, None where none were taken.

    `compute` is in generator-token equivalents: generated tokens, and scorer tokens at their price. `equivalents` is
    the same in samples: over the mean tokens of one sample, None where no row draws any. `undecided` is the share of
    answers that could not be compared; they count as wrong.
    """

    name: str
    strategy: str
    samples: int
    accuracy: Estimate
    harder: Estimate | None
    levels: Mapping[int, Estimate]
    undecided: float
    tokens: float
    scorer_tokens: float
    compute: float
    equivalents: float | None
    p50: float | None
    p95: float | None

    @property
    def budget(self) -> str:
        """What stands behind the @ of the name."""
        return self.name.partition("@")[2]


@dataclass(frozen=True, slots=True)
class Results:
    """Everything one evaluation found. `problems` is per seed, `timed` how many were timed."""

    source: str
    models: str
    policy: str
    seeds: tuple[int, ...]
    problems: int
    ratio: float
    timed: int
    unit: float | None
    rows: tuple[Row, ...]
    comparisons: tuple[Comparison, ...]
    best: tuple[Best, ...]
    regrets: tuple[Regret, ...]
    matched: tuple[Matched, ...]

    def as_json(self) -> dict[str, object]:
        """Return it as plain data."""
        return asdict(self)


def summarise(study: Study) -> Results:
    """Turn records and times into results."""
    ran = collected(study.arms, study.journals, crossed=study.crossed)
    composed = _oracle(study, ran)
    outcomes = ran.composed(composed)
    everything, harder = View(outcomes), View(outcomes, HARDER)
    names = _ordered([arm.name for arm in study.arms], composed)
    levels = {level: View(outcomes, (level,)) for level in sorted(set(outcomes.levels.ravel().tolist()) - {0})}
    unit, seconds = _unit(study.arms, ran), _seconds(study.times, ran.names, composed)
    budgets = {arm.name: arm.samples for arm in study.arms} | {name: _number(name) for name in composed}
    rows = [
        _row(name, budgets[name], outcomes, everything, harder, levels, unit, seconds.get(name, ())) for name in names
    ]
    views = (everything, harder) if harder.n else (everything,)
    return Results(
        source=study.source,
        models=study.models,
        policy=study.policy,
        seeds=study.seeds,
        problems=outcomes.levels.shape[1],
        ratio=study.ratio,
        timed=len(study.times.places),
        unit=unit,
        rows=tuple(rows),
        comparisons=tuple(comparisons(study.arms, views)),
        best=tuple(best(study.arms, everything)),
        regrets=tuple(regrets(study.arms, everything)),
        matched=tuple(matches(study.arms, everything, study.reference)),
    )


def _oracle(study: Study, ran: Outcomes) -> dict[str, Places]:
    """Return for each budget of a fixed or router's row what the oracle does with each problem."""
    if study.rating is None:
        return {}
    fixed = [(row, arm) for row, arm in enumerate(study.arms) if is_fixed(arm)]
    rates = np.array([[r.rate or 0.0 for r in journal.of(study.rating.name)] for journal in study.journals], float)
    half = halves(*rates.shape, crossed=study.crossed)
    composed = dict[str, Places]()
    for n in sorted({arm.samples for arm in study.arms}):
        rows = [row for row, arm in fixed if arm.samples <= n]
        if rows:
            composed[f"{ORACLE}@{n}"] = choose(ran.correct, ran.compute, rates, half, rows)
    return composed


def _ordered(names: Sequence[str], composed: Mapping[str, Places]) -> list[str]:
    """Return the rows as they are shown: as they were asked for, each oracle behind the last row of its budget."""
    ordered = list(names)
    for name in composed:
        same = [i for i, other in enumerate(ordered) if other.partition("@")[2] == name.partition("@")[2]]
        ordered.insert(same[-1] + 1 if same else len(ordered), name)
    return ordered


def _row(
    name: str,
    samples: int,
    outcomes: Outcomes,
    everything: View,
    harder: View,
    levels: Mapping[int, View],
    unit: float | None,
    seconds: Sequence[float],
) -> Row:
    row = outcomes.row(name)

    def mean(array: Numbers) -> float:
        return float(array[row].mean())

    return Row(
        name=name,
        strategy=name.partition("@")[0],
        samples=samples,
        accuracy=everything.accuracy(name),
        harder=harder.accuracy(name) if harder.n else None,
        levels={level: view.accuracy(name) for level, view in levels.items()},
        undecided=mean(outcomes.undecided),
        tokens=mean(outcomes.tokens),
        scorer_tokens=mean(outcomes.scorer_tokens),
        compute=mean(outcomes.compute),
        equivalents=mean(outcomes.compute) / unit if unit else None,
        p50=percentile(seconds, 50) if seconds else None,
        p95=percentile(seconds, 95) if seconds else None,
    )


def _unit(arms: Sequence[Arm], ran: Outcomes) -> float | None:
    """Return the mean tokens of one sample, from the row that draws the most."""
    sampled = [(arm.samples, row) for row, arm in enumerate(arms) if arm.strategy in SAMPLED]
    if not sampled:
        return None
    samples, row = max(sampled)
    return float(ran.tokens[row].mean()) / samples or None


def _seconds(times: Times, names: tuple[str, ...], composed: Mapping[str, Places]) -> dict[str, Sequence[float]]:
    """Return the times of all rows: the oracle takes as long as what it chooses."""
    seconds: dict[str, Sequence[float]] = dict(times.seconds)
    for name, chosen in composed.items() if times.seconds else ():
        picked = [(names[int(chosen[0, place])], i) for i, place in enumerate(times.places)]
        seconds[name] = [times.seconds[row][i] for row, i in picked]
    return seconds


def _number(name: str) -> int:
    return int(name.partition("@")[2])


def sections(rows: Sequence[Row]) -> Iterator[list[Row]]:
    """Yield the rows by budget."""
    for _, group in groupby(rows, key=lambda row: row.budget):
        yield list(group)
