"""Draws what the overview shows, from the data of a run like that of the tests: `python -m tests.monitoring.picture`.

Panels, places, colours, limits and legends are those of the dashboard's JSON; values are what Prometheus answers to its
queries. Grafana itself takes no part.
"""

import asyncio
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from .definitions import ROOT, boards
from .prometheus import TIMES, Series
from .questions import asked
from .stage import Stage, staged

PICTURE = ROOT / "docs" / "images" / "overview.png"

_CELL = 0.335
"""Inches of a row of the grid."""

_WIDTH, _COLUMNS = 17.0, 24
_MARGIN = 0.055
_PAPER, _PANEL, _INK, _FAINT = "#111217", "#1a1c22", "#d5d7dd", "#8e929c"
_COLORS = {"green": "#3d9a50", "orange": "#e0752d", "red": "#c4324a"}
_LINES = ("#73bf69", "#f2cc0c", "#5794f2", "#ff9830", "#f2495c", "#b877d9", "#37b5b6", "#c0d8ff")
_LEVEL = re.compile(r"\{\{(\w+)\}\}")


def main() -> None:
    """Play, and draw."""
    with tempfile.TemporaryDirectory() as folder, staged(Path(folder)) as stage:
        asyncio.run(stage.play())
        PICTURE.parent.mkdir(parents=True, exist_ok=True)
        mpl.rcParams.update({"font.family": "DejaVu Sans", "text.color": _INK, "axes.edgecolor": "#33363f"})
        drawn(stage, boards()["cogitate-overview"]).savefig(PICTURE, dpi=95, facecolor=_PAPER)


def drawn(stage: Stage, board: dict[str, Any]) -> Figure:
    """Return the dashboard as it stands at the end of the run."""
    rows = max(p["gridPos"]["y"] + p["gridPos"]["h"] for p in board["panels"]) + 2
    figure = plt.figure(figsize=(_WIDTH, rows * _CELL))
    told = f"drawn from Prometheus's data of a test run, in which time runs {TIMES} times as fast; not a screenshot"
    figure.text(0.008, 1 - 1 / rows, board["title"], size=15, weight="bold", va="center")
    figure.text(0.992, 1 - 1 / rows, told, size=9.5, color=_FAINT, ha="right", va="center")
    for panel in board["panels"]:
        place = panel["gridPos"]
        x, y = place["x"] / _COLUMNS, 1 - (place["y"] + place["h"] + 2) / rows
        box = (x + 0.003, y + 0.12 / rows, place["w"] / _COLUMNS - 0.006, (place["h"] - 0.24) / rows)
        if panel["type"] == "row":
            figure.text(x + 0.008, y + 0.5 / rows, f"▾ {panel['title']}", size=10.5, weight="bold", va="center")
        else:
            _PAINTERS[panel["type"]](figure, box, panel, stage)
    return figure


Box = tuple[float, float, float, float]


def _tile(figure: Figure, box: Box, panel: dict[str, Any], stage: Stage) -> None:
    """Paint one number on its colour, with its course behind it."""
    values = [value for one in _series(stage, panel["targets"][0]) for value in one["values"]]
    last = float(values[-1][1]) if values else None
    defaults = panel["fieldConfig"]["defaults"]
    axes = _card(figure, box, _COLORS[_color(last, defaults["thresholds"]["steps"])])
    if values:
        numbers = [float(value) for _, value in values]
        course = axes.inset_axes((0, 0, 1, 0.4))
        course.fill_between(range(len(numbers)), numbers, color="white", alpha=0.18, linewidth=0)
        course.plot(numbers, color="white", alpha=0.45, linewidth=1)
        course.set(ylim=(0, max(*numbers, 1e-9) * 1.1), xlim=(0, len(numbers) - 1))
        course.axis("off")
    large = panel["gridPos"]["h"] > 4
    shown = defaults["noValue"] if last is None else _said(last, defaults["unit"])
    axes.text(0.03, 0.94, panel["title"], size=11.5 if large else 9.5, color="white", va="top", weight="bold")
    axes.text(0.5, 0.5, shown, size=34 if large else 19, color="white", ha="center", va="center", weight="bold")


def _graph(figure: Figure, box: Box, panel: dict[str, Any], stage: Stage) -> None:
    """Paint lines over time, stacked where the dashboard stacks them."""
    card = _card(figure, box, _PANEL)
    card.text(0.025, 0.965, panel["title"], size=10, va="top", weight="bold")
    axes = card.inset_axes((0.115, 0.235, 0.865, 0.6), facecolor=_PANEL)
    lines = [
        (_legend(target["legendFormat"], one["metric"]), dict(_points(one, stage)))
        for target in panel["targets"]
        for one in _series(stage, target)
    ]
    lines = [(name, line) for name, line in lines if any(line.values())] or lines[:1]
    defaults = panel["fieldConfig"]["defaults"]
    if defaults["custom"].get("stacking", {}).get("mode") == "normal":
        _stack(axes, lines)
    else:
        for (name, line), color in zip(lines, _LINES * 3, strict=False):
            axes.plot(list(line), list(line.values()), color=color, linewidth=1.6, label=name)
    _limits(axes, defaults)
    _frame(axes, defaults["unit"], stage)
    _key(card, lines)


def _stack(axes: Axes, lines: Sequence[tuple[str, dict[float, float]]]) -> None:
    moments = sorted({moment for _, line in lines for moment in line})
    below = [0.0] * len(moments)
    for (name, line), color in zip(lines, _LINES * 3, strict=False):
        above = [low + line.get(moment, 0.0) for low, moment in zip(below, moments, strict=True)]
        axes.fill_between(moments, below, above, color=color, alpha=0.35, linewidth=0)
        axes.plot(moments, above, color=color, linewidth=1.4, label=name)
        below = above


def _table(figure: Figure, box: Box, panel: dict[str, Any], stage: Stage) -> None:
    """Paint what there is now, a line for each series."""
    card = _card(figure, box, _PANEL)
    card.text(0.025, 0.965, panel["title"], size=10, va="top", weight="bold")
    hidden = {"__name__", *panel["transformations"][0]["options"]["excludeByName"]}
    found = stage.prometheus.now(asked(panel["targets"][0]["expr"]), stage.times["end"])
    labels = ("alertname", "model", "role", "severity")
    shown = [[one["metric"].get(name, "") for name in labels if name not in hidden] for one in found]
    for column, name in zip((0.03, 0.46, 0.64, 0.84), labels, strict=True):
        card.text(column, 0.84, name, size=8.5, color=_FAINT, va="top")
    for row, line in enumerate(sorted(shown, key=lambda line: (line[-1], line[0]))[:9]):
        for column, text in zip((0.03, 0.46, 0.64, 0.84), line, strict=True):
            color = _LINES[4] if text == "page" else _INK
            card.text(column, 0.75 - row * 0.078, text, size=8.5, va="top", color=color)


_PAINTERS = {"stat": _tile, "timeseries": _graph, "table": _table}


def _card(figure: Figure, box: Box, color: str) -> Axes:
    axes = figure.add_axes(box, facecolor=color)
    axes.set(xticks=[], yticks=[], xlim=(0, 1), ylim=(0, 1))
    axes.spines[:].set_visible(False)
    return axes


def _frame(axes: Axes, unit: str, stage: Stage) -> None:
    """Give the axes their grid and their figures, and mark when the faults began."""
    axes.grid(color="#2b2e36", linewidth=0.7)
    axes.set_axisbelow(True)
    axes.tick_params(colors=_FAINT, labelsize=8, length=0)
    axes.spines[:].set_visible(False)
    axes.set_xlim(0, stage.times["end"] - stage.times["begin"])
    axes.set_ylim(bottom=0, top=max(axes.get_ylim()[1], 1e-3))
    axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _said(value, unit)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g} s"))
    fault = stage.times["fault"] - stage.times["begin"]
    axes.axvline(fault, color="#f2495c", linewidth=0.9, linestyle=(0, (2, 2)))
    axes.text(fault, 1.0, " faults begin", color="#f2495c", size=7, va="bottom", transform=axes.get_xaxis_transform())


def _limits(axes: Axes, defaults: dict[str, Any]) -> None:
    if defaults["custom"].get("thresholdsStyle"):
        top = axes.get_ylim()[1]
        for step in defaults["thresholds"]["steps"][1:]:
            if step["value"] <= top * 1.5:
                axes.axhline(step["value"], color=_COLORS[step["color"]], linewidth=1.1, linestyle="--")


def _key(card: Axes, lines: Sequence[tuple[str, Any]]) -> None:
    """Paint the legend in one line below."""
    x = 0.03
    for (name, _), color in zip(lines, _LINES * 3, strict=False):
        card.plot((x, x + 0.025), (0.055, 0.055), color=color, linewidth=2.5)
        card.text(x + 0.035, 0.055, name, size=8, va="center", color=_INK)
        x += 0.065 + 0.0152 * len(name)


def _series(stage: Stage, target: dict[str, Any]) -> list[Series]:
    return stage.prometheus.over(asked(target["expr"]), stage.times["begin"], stage.times["end"])


def _points(one: Series, stage: Stage) -> list[tuple[float, float]]:
    begin = stage.times["begin"]
    return [(round(moment - begin, 1), float(value)) for moment, value in one["values"] if value != "NaN"]


def _legend(pattern: str, labels: dict[str, str]) -> str:
    return _LEVEL.sub(lambda found: labels.get(found[1], ""), pattern).strip()


def _color(value: float | None, steps: Sequence[dict[str, Any]]) -> str:
    passed = [
        step["color"] for step in steps if step["value"] is None or (value is not None and value >= step["value"])
    ]
    return passed[-1]


def _said(value: float, unit: str) -> str:
    """Return a value in its unit, as short as a panel needs it."""
    if unit == "percentunit":
        return f"{100 * value:.3g} %"
    if unit == "s":
        return f"{value:.3g} s" if value >= 1 or not value else f"{1000 * value:.3g} ms"
    number = f"{value / 1000:.3g} K" if abs(value) >= 1000 else f"{value:.3g}"
    return number + {"reqps": " req/s", "suffix: x": " x"}.get(unit, "")


if __name__ == "__main__":
    main()
