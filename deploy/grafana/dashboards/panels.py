"""The kinds of panels. A panel says in its description what it shows and from where on that is bad."""

from collections.abc import Mapping, Sequence
from string import ascii_uppercase

from grafana_foundation_sdk.builders import common, heatmap, prometheus, stat, table, timeseries
from grafana_foundation_sdk.builders.dashboard import FieldColor, ThresholdsConfig
from grafana_foundation_sdk.models.common import (
    BigValueColorMode,
    BigValueGraphMode,
    GraphTresholdsStyleMode,
    LegendDisplayMode,
    LegendPlacement,
    SortOrder,
    StackingMode,
    TooltipDisplayMode,
)
from grafana_foundation_sdk.models.dashboard import (
    DataSourceRef,
    DataTransformerConfig,
    FieldColorModeId,
    Threshold,
    ThresholdsMode,
)
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

Panel = stat.Panel | timeseries.Panel | heatmap.Panel | table.Panel

SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")

Limits = Sequence[tuple[float, str]]
"""From which value on a panel has which colour; it is green below."""


def tile(
    title: str,
    about: str,
    expr: str,
    unit: str,
    limits: Limits,
    *,
    span: int = 4,
    height: int = 4,
    empty: str = "no traffic",
) -> stat.Panel:
    """Return one large number that is coloured by its limits, with its course behind it; `empty` if there is none."""
    return (
        stat.Panel()
        .title(title)
        .description(about)
        .span(span)
        .height(height)
        .unit(unit)
        .no_value(empty)
        .thresholds(_steps(limits))
        .color_scheme(FieldColor().mode(FieldColorModeId.THRESHOLDS))
        .color_mode(BigValueColorMode.BACKGROUND)
        .graph_mode(BigValueGraphMode.AREA)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).fields("").values(values=False))
        .with_target(_query("A", "", expr))
    )


def graph(
    title: str,
    about: str,
    lines: Mapping[str, str],
    unit: str,
    *,
    limits: Limits = (),
    stacked: bool = False,
    most: float | None = None,
) -> timeseries.Panel:
    """Return a graph of `lines`, queries by their legends; `limits` are drawn as lines, `most` ends the axis."""
    panel = (
        timeseries.Panel()
        .title(title)
        .description(about)
        .span(8)
        .height(8)
        .unit(unit)
        .min(0)
        .line_width(2)
        .fill_opacity(25 if stacked else 8)
        .legend(
            common.VizLegendOptions()
            .display_mode(LegendDisplayMode.LIST)
            .placement(LegendPlacement.BOTTOM)
            .show_legend(show_legend=True)
        )
        .tooltip(common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI).sort(SortOrder.DESCENDING))
    )
    if stacked:
        panel.stacking(common.StackingConfig().mode(StackingMode.NORMAL).group("A"))
    if limits:
        panel.thresholds(_steps(limits))
        panel.thresholds_style(common.GraphThresholdsStyleConfig().mode(GraphTresholdsStyleMode.DASHED))
    if most is not None:
        panel.max(most)
    for letter, (legend, expr) in zip(ascii_uppercase, lines.items(), strict=False):
        panel.with_target(_query(letter, legend, expr))
    return panel


def buckets(title: str, about: str, metric: str, select: str, unit: str) -> heatmap.Panel:
    """Return how the values of a histogram are distributed over time."""
    expr = f"sum by (le) (increase({metric}_bucket{{{select}}}[$__rate_interval]))"
    return (
        heatmap.Panel()
        .title(title)
        .description(about)
        .span(8)
        .height(8)
        .calculate(calculate=False)
        .y_axis(heatmap.YAxisConfig().unit(unit))
        .with_target(_query("A", "{{le}}", expr).format(PromQueryFormat.HEATMAP))
    )


def rows(title: str, about: str, expr: str, hidden: Sequence[str], *, span: int = 8, height: int = 8) -> table.Panel:
    """Return a table of what `expr` gives now, a row for each series, without the labels that are `hidden`."""
    excluded = dict.fromkeys(("Time", "Value", *hidden), True)
    return (
        table.Panel()
        .title(title)
        .description(about)
        .span(span)
        .height(height)
        .no_value("none")
        .with_target(_query("A", "", expr).instant().format(PromQueryFormat.TABLE))
        .with_transformation(DataTransformerConfig(id_val="organize", options={"excludeByName": excluded}))
    )


def _query(letter: str, legend: str, expr: str) -> prometheus.Dataquery:
    return prometheus.Dataquery().ref_id(letter).expr(expr).legend_format(legend or "__auto").datasource(SOURCE)


def _steps(limits: Limits) -> ThresholdsConfig:
    steps = [Threshold(value=None, color="green"), *(Threshold(value=value, color=color) for value, color in limits)]
    return ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps)
