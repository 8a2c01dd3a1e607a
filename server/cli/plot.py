"""Accuracy against what it took, drawn."""

# matplotlib is typed only in part
# pyright: basic

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from .arms import AUTO, ORACLE, ROUTER
from .results import Results, Row

_COLOURS = {
    "greedy": "#555555",
    "majority_voting": "#1f77b4",
    "best_of_n": "#ff9f1c",
    "weighted_best_of_n": "#d62728",
    "beam_search": "#2ca02c",
    "dvts": "#9467bd",
    "router": "#000000",
    f"router {AUTO}": "#17becf",
    ORACLE: "#b8860b",
}
_AXES = (
    ("tokens", "generated tokens per problem"),
    ("compute", "compute per problem (generator-token equivalents)"),
    ("p50", "seconds per problem, median"),
    ("p95", "seconds per problem, 95th percentile"),
)


def plot(results: Results, path: Path) -> None:
    """Write a PNG: accuracy against generated tokens, total compute and, where taken, p50 and p95 seconds."""
    drawn = _AXES if any(row.p50 is not None for row in results.rows) else _AXES[:2]
    figure = Figure(figsize=(12, 4.6 * len(drawn) / 2 + 0.6), layout="constrained")
    FigureCanvasAgg(figure)
    for place, (field, label) in enumerate(drawn):
        axes = figure.add_subplot(len(drawn) // 2, 2, place + 1)
        for name, rows in _curves(results.rows).items():
            _curve(axes, name, rows, field)
        _scaled(axes, label)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(6, max(1, len(labels))), fontsize=9)
    seeds = ", ".join(map(str, results.seeds))
    title = f"{results.problems} problems, {results.source}, seed {seeds}; bands are 95 % intervals"
    figure.suptitle(title, fontsize=10)
    figure.savefig(path, dpi=120)


def _curves(rows: tuple[Row, ...]) -> dict[str, list[Row]]:
    """Return the rows by strategy; the router's with a price are a curve of their own."""
    curves = dict[str, list[Row]]()
    for row in rows:
        auto = f" {AUTO}" if row.budget.startswith(AUTO) else ""
        curves.setdefault(row.strategy + auto, []).append(row)
    return curves


def _curve(axes: Axes, name: str, rows: list[Row], field: str) -> None:
    known = sorted((r for r in rows if getattr(r, field) is not None), key=lambda r: getattr(r, field))
    if not known:
        return
    x = [getattr(r, field) for r in known]
    heavy = name == ROUTER
    (line,) = axes.plot(
        x,
        [100 * r.accuracy.mean for r in known],
        label=name.replace("_", " "),
        color=_COLOURS.get(name),
        linestyle="--" if name == ORACLE else ":" if name.startswith(f"{ROUTER}-") else "-",
        marker="D" if name == ORACLE else "o",
        markersize=6 if heavy else 4,
        linewidth=2.4 if heavy else 1.4,
        zorder=3 if heavy else 2,
    )
    low, high = ([100 * getattr(r.accuracy, end) for r in known] for end in ("low", "high"))
    if len(known) > 1:
        axes.fill_between(x, low, high, color=line.get_color(), alpha=0.08, linewidth=0)
    else:
        axes.vlines(x, low, high, color=line.get_color(), alpha=0.5, linewidth=1.2)


def _scaled(axes: Axes, label: str) -> None:
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel(label)
    axes.set_ylabel("accuracy, %")
    axes.grid(visible=True, alpha=0.3)
