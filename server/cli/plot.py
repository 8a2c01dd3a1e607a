"""Accuracy against compute, drawn."""

# matplotlib is typed only in part
# pyright: basic

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from .results import Results, Row

_COLOURS = {
    "greedy": "#555555",
    "majority_voting": "#1f77b4",
    "best_of_n": "#ff9f1c",
    "weighted_best_of_n": "#d62728",
    "beam_search": "#2ca02c",
    "dvts": "#9467bd",
    "router": "#000000",
}


def plot(results: Results, path: Path) -> None:
    """Write a PNG: accuracy on levels 3 to 5 against generated tokens, and against compute with the scorer counted."""
    figure = Figure(figsize=(11, 4.6), layout="constrained")
    FigureCanvasAgg(figure)
    for place, (field, label) in enumerate(
        (("tokens", "generated tokens per problem"), ("compute", "compute per problem (generator-token equivalents)"))
    ):
        axes = figure.add_subplot(1, 2, place + 1)
        for strategy in dict.fromkeys(r.strategy for r in results.rows):
            rows = [r for r in results.rows if r.strategy == strategy and r.harder is not None]
            _curve(axes, strategy, rows, field)
        axes.set_xscale("log")
        axes.set_xlabel(label)
        axes.set_ylabel("accuracy, levels 3 to 5")
        axes.grid(visible=True, alpha=0.3)
    figure.axes[0].legend(fontsize=8)
    figure.suptitle(f"{results.problems} held-out problems, seed {results.seed}; bars are 95 % intervals", fontsize=10)
    figure.savefig(path, dpi=120)


def _curve(axes: Axes, strategy: str, rows: list[Row], field: str) -> None:
    estimates = [r.harder for r in rows if r.harder is not None]
    axes.errorbar(
        [getattr(r, field) for r in rows],
        [e.mean for e in estimates],
        yerr=[[e.mean - e.low for e in estimates], [e.high - e.mean for e in estimates]],
        label=strategy.replace("_", " "),
        color=_COLOURS.get(strategy),
        marker="o",
        markersize=4,
        capsize=2,
        linewidth=1.4,
    )
