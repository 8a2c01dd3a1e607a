"""The results of an evaluation for a terminal."""

from collections.abc import Iterator, Sequence

from rich.table import Table

from router.evaluation.metrics import Estimate

from .results import Results, Row, sections


def tables(results: Results) -> Iterator[Table]:
    """Yield the rows, then what the router is worth beside them."""
    yield _rows(results)
    if results.best:
        yield _against(results)
    if results.matched:
        yield _matched(results)


def _rows(results: Results) -> Table:
    several = len(results.seeds) > 1
    seeds = ("seeds " if several else "seed ") + ", ".join(map(str, results.seeds))
    how = "bootstrap over problems and seeds" if several else "Wilson"
    times = f"; times of {results.timed} problems, one at a time" if results.timed else ""
    shown = Table(
        title=f"{results.problems} problems, {results.source}, {seeds}",
        caption=f"95 % intervals ({how}); tokens and compute per problem; compute in generator-token equivalents "
        f"(a scorer token counts {results.ratio:.2f}); '=' is compute in samples{times}",
    )
    levels = " ".join(map(str, results.rows[0].levels))
    undecided = any(row.undecided for row in results.rows)
    for column in _columns(f"levels {levels}" if levels else "", undecided=undecided):
        shown.add_column(column, justify="left" if column == "strategy" else "right", no_wrap=True)
    for section in sections(results.rows):
        for row in section:
            shown.add_row(row.strategy, *_cells(row, undecided=undecided), end_section=row is section[-1])
    return shown


def _columns(levels: str, *, undecided: bool) -> list[str]:
    columns = ["strategy", "n", "accuracy", "undecided" if undecided else "", levels]
    return [c for c in (*columns, "tokens", "scorer", "compute", "=", "p50 s", "p95 s") if c]


def _cells(row: Row, *, undecided: bool) -> list[str]:
    a = row.accuracy
    return [
        row.budget,
        f"{a.mean:.3f} [{a.low:.3f}, {a.high:.3f}]",
        *([f"{row.undecided:.3f}"] if undecided else []),
        *([" ".join(f"{e.mean:.2f}" for e in row.levels.values())] if row.levels else []),
        f"{row.tokens:.0f}",
        f"{row.scorer_tokens:.0f}",
        f"{row.compute:.0f}",
        "" if row.equivalents is None else f"{row.equivalents:.1f}",
        "" if row.p50 is None else f"{row.p50:.2f}",
        "" if row.p95 is None else f"{row.p95:.2f}",
    ]


def _against(results: Results) -> Table:
    shown = Table(title="The router less the best fixed strategy, paired; and the oracle less the router")
    for column in ("router", "against", "within the same", "points"):
        shown.add_column(column, justify="right" if column == "points" else "left", no_wrap=True)
    for entry in results.best:
        shown.add_row(entry.router, entry.fixed, entry.bound, _points(entry.difference))
    for entry in results.regrets:
        budgets = ", ".join(map(str, entry.budgets))
        shown.add_row(entry.router, "regret against the oracle", f"samples: {budgets}", _points(entry.regret))
    return shown


def _matched(results: Results) -> Table:
    shown = Table(title=f"How many times less compute is as accurate as {results.matched[0].reference}")
    for column in ("curve", "times less", "first row not below", "points", "times less"):
        shown.add_column(column, justify="left" if column == "curve" else "right", no_wrap=True)
    for entry in results.matched:
        shown.add_row(
            _named(entry.curve),
            _times(entry.match.ratio) if entry.match.ratio.mean else "never",
            entry.row or "none",
            "" if entry.difference is None else _points(entry.difference),
            "" if entry.saving is None else _times(entry.saving),
        )
    return shown


def _named(curve: Sequence[str]) -> str:
    return f"{curve[0]} to {curve[-1]}" if len(curve) > 1 else curve[0]


def _points(e: Estimate) -> str:
    return f"{100 * e.mean:+.1f} [{100 * e.low:+.1f}, {100 * e.high:+.1f}]"


def _times(e: Estimate) -> str:
    return f"{e.mean:.1f} [{e.low:.1f}, {e.high:.1f}]"
