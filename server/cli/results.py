"""The results of an evaluation: rows, paired comparisons, and how they are shown."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise

from rich.table import Table

from router.evaluation.metrics import Estimate, paired_difference, percentile
from router.evaluation.sweep import Arm, Item, Journal, Record, accuracy

_LEVELS = (1, 2, 3, 4, 5)
_HARDER = (3, 4, 5)


@dataclass(frozen=True, slots=True)
class Row:
    """One strategy at one budget. Tokens are means per problem; times are seconds, None where none were taken.

    `compute` is in generator-token equivalents: generated tokens, and scorer tokens at their price.
    """

    strategy: str
    samples: int
    accuracy: Estimate
    harder: Estimate | None
    levels: Mapping[int, Estimate]
    tokens: float
    scorer_tokens: float
    compute: float
    p50: float | None
    p95: float | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """The difference in accuracy of two rows over the same problems of these levels."""

    first: str
    second: str
    levels: tuple[int, ...]
    difference: Estimate


@dataclass(frozen=True, slots=True)
class Results:
    """Everything one evaluation found."""

    split: str
    seed: int
    problems: int
    ratio: float
    timed: int
    rows: tuple[Row, ...]
    comparisons: tuple[Comparison, ...]

    def as_json(self) -> dict[str, object]:
        """Return it as plain data."""
        return asdict(self)


def summarise(
    split: str,
    seed: int,
    items: Sequence[Item],
    arms: Sequence[Arm],
    journal: Journal,
    seconds: Mapping[str, Sequence[float]],
    ratio: float,
) -> Results:
    """Turn records and times into results."""
    rows = tuple(_row(arm, journal.of(arm.name), seconds.get(arm.name, ())) for arm in arms)
    return Results(
        split=split,
        seed=seed,
        problems=len(items),
        ratio=ratio,
        timed=len(next(iter(seconds.values()), ())),
        rows=rows,
        comparisons=tuple(_comparisons(arms, journal)),
    )


def _row(arm: Arm, records: Sequence[Record], seconds: Sequence[float]) -> Row:
    levels = sorted({r.level for r in records})
    return Row(
        strategy=arm.strategy,
        samples=arm.samples,
        accuracy=accuracy(records),
        harder=accuracy(records, _HARDER) if set(_HARDER) & set(levels) else None,
        levels={level: accuracy(records, (level,)) for level in levels},
        tokens=_mean([r.tokens for r in records]),
        scorer_tokens=_mean([r.scorer_tokens for r in records]),
        compute=_mean([r.compute for r in records]),
        p50=percentile(seconds, 50) if seconds else None,
        p95=percentile(seconds, 95) if seconds else None,
    )


def _comparisons(arms: Sequence[Arm], journal: Journal) -> Iterator[Comparison]:
    """Compare every row with greedy, and with majority voting and weighted best-of-N at the same budget."""
    names = {a.name for a in arms}
    for arm in arms:
        for other in ("greedy", "majority_voting", "weighted_best_of_n"):
            against = "greedy@1" if other == "greedy" else f"{other}@{arm.samples}"
            if against in names and against != arm.name:
                for levels in (_LEVELS, _HARDER):
                    yield _comparison(arm.name, against, levels, journal)


def _comparison(first: str, second: str, levels: tuple[int, ...], journal: Journal) -> Comparison:
    a, b = ([r.correct for r in journal.of(name) if r.level in levels] for name in (first, second))
    return Comparison(first, second, levels, paired_difference(a, b))


def table(results: Results) -> Table:
    """Return the rows for a terminal."""
    shown = Table(
        title=f"{results.problems} problems, split {results.split}, seed {results.seed}",
        caption="95 % intervals (Wilson); tokens and compute per problem; compute in generator-token equivalents "
        f"(a scorer token counts {results.ratio:.2f}); times of {results.timed} problems, one at a time",
    )
    for column in ("strategy", "n", "accuracy", "levels 1 2 3 4 5", "tokens", "scorer", "compute", "p50 s", "p95 s"):
        shown.add_column(column, justify="left" if column == "strategy" else "right", no_wrap=True)
    for row, following in pairwise([*results.rows, None]):
        if row is not None:
            last = following is None or following.samples != row.samples
            shown.add_row(row.strategy, *_cells(row), end_section=last)
    return shown


def _cells(row: Row) -> tuple[str, ...]:
    a = row.accuracy
    return (
        str(row.samples),
        f"{a.mean:.3f} [{a.low:.3f}, {a.high:.3f}]",
        " ".join(f"{e.mean:.2f}" for e in row.levels.values()),
        f"{row.tokens:.0f}",
        f"{row.scorer_tokens:.0f}",
        f"{row.compute:.0f}",
        "" if row.p50 is None else f"{row.p50:.2f}",
        "" if row.p95 is None else f"{row.p95:.2f}",
    )


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0
