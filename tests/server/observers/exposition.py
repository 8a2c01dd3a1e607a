"""What a scrape says, as numbers by series."""

from prometheus_client.parser import text_string_to_metric_families

from server.observers.metrics import Metrics
from server.report import Report

Series = dict[tuple[str, frozenset[tuple[str, str]]], float]


class Scrape:
    """The samples of one exposition."""

    def __init__(self, exposed: bytes) -> None:
        families = list(text_string_to_metric_families(exposed.decode()))
        self.series: Series = {(s.name, frozenset(s.labels.items())): s.value for f in families for s in f.samples}
        self.names = {family.name: family.type for family in families}

    def __call__(self, name: str, **labels: str) -> float:
        """Return the value of exactly this series. Raises KeyError where there is none."""
        return self.series[name, frozenset(labels.items())]

    def moved(self) -> set[str]:
        """Return the names of what is not 0."""
        return {name for (name, _), value in self.series.items() if value}


def counted(*reports: Report) -> Scrape:
    """Return what a server of the model "math" exposes after these requests."""
    metrics = Metrics("1.2.3")
    metrics.serves("math", "calibrated", "ab12")
    for report in reports:
        metrics.started()
        metrics.ended(report)
    return Scrape(metrics.exposed())
