"""What the dashboards have in common: how they are put together, their variables, and the way from one to the next."""

from collections.abc import Sequence

from grafana_foundation_sdk.builders.dashboard import Dashboard, DashboardLink, DatasourceVariable, QueryVariable, Row
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DashboardLinkType,
    VariableOption,
    VariableRefresh,
    VariableSort,
)

from .panels import SOURCE, Panel

JOB = 'job=~"$job"'
"""Selects the gateways."""

MODEL = f'{JOB},model=~"$model"'
"""Selects what gateways count by model."""

_ALL = VariableOption(selected=True, text="All", value="$__all")


def board(uid: str, title: str, about: str, rows: Sequence[tuple[str, Sequence[Panel]]]) -> Dashboard:
    """Return a dashboard of rows of panels. Panels are numbered in their order, so that links to them last."""
    built = (
        Dashboard(f"Cogitate / {title}")
        .uid(f"cogitate-{uid}")
        .description(about)
        .tags(["cogitate"])
        .readonly()
        .timezone("browser")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .time("now-1h", "now")
        .refresh("15s")
        .link(_links())
        .with_variable(DatasourceVariable("datasource").label("Data source").type("prometheus"))
        .with_variable(_choice("job", "Job", "label_values(cogitate_build_info, job)"))
        .with_variable(_choice("model", "Model", f"label_values(cogitate_policy_info{{{JOB}}}, model)").all_value(".*"))
    )
    number = 0
    for name, panels in rows:
        number += 1
        built.with_row(Row(name).id(number))
        for panel in panels:
            number += 1
            built.with_panel(panel.id(number).datasource(SOURCE))
    return built


def _choice(name: str, label: str, query: str) -> QueryVariable:
    return (
        QueryVariable(name)
        .label(label)
        .datasource(SOURCE)
        .query({"qryType": 1, "query": query, "refId": "PrometheusVariableQueryEditor-VariableQuery"})
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.ALPHABETICAL_ASC)
        .multi(multi=True)
        .include_all(include_all=True)
        .current(_ALL)
    )


def _links() -> DashboardLink:
    return (
        DashboardLink("Cogitate")
        .type(DashboardLinkType.DASHBOARDS)
        .tags(["cogitate"])
        .include_vars(include_vars=True)
        .keep_time(keep_time=True)
    )
