"""What cross-validation found, for a terminal: the policy beside fixed strategies."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.table import Table

Row = Mapping[str, Any]


def validation(found: Mapping[str, Any], unit: float) -> Table:
    """Return the table of what `router.calibration.fit` found; `unit` is the mean tokens of one solution.

    Beside the policy at each price stand the most accurate fixed strategy that takes no more compute, and the cheapest
    that is at least as accurate.
    """
    table = Table(
        title="The policy on questions it was not fitted to (cross-validation)",
        caption="price: points of accuracy per solution; accuracies in percent, with 95 % intervals; compute: "
        "solutions of mean length, the scorer included",
    )
    for name in ("price", "policy", "compute", "best fixed for no more", "", "compute", "as good, fixed", "compute"):
        table.add_column(name, justify="left" if "fixed" in name else "right", no_wrap=True)
    for row in found["policy"]:
        table.add_row(f"{100 * row['price']:g}", *_cells(row, found["fixed"], unit))
    return table


def _cells(row: Row, fixed: Sequence[Row], unit: float) -> Iterator[str]:
    interval = f"[{100 * row['low']:.1f}, {100 * row['high']:.1f}]"
    yield f"{100 * row['accuracy']:.1f} {interval}"
    yield _compute(row, unit)
    cheaper = [f for f in fixed if f["compute"] <= row["compute"]]
    yield from _strategy(max(cheaper, key=lambda f: (f["accuracy"], -f["compute"]), default=None), unit)
    equals = [f for f in fixed if f["accuracy"] >= row["accuracy"]]
    name, _, compute = _strategy(min(equals, key=lambda f: f["compute"], default=None), unit)
    yield name
    yield compute


def _strategy(row: Row | None, unit: float) -> tuple[str, str, str]:
    if row is None:
        return "none", "", ""
    return f"{row['strategy']}@{row['n']}", f"{100 * row['accuracy']:.1f}", _compute(row, unit)


def _compute(row: Row, unit: float) -> str:
    return f"{row['compute'] / unit:.1f}"
