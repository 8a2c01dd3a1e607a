"""docs/metrics.md and the code name the same metrics."""

import re
from pathlib import Path
from typing import NamedTuple

import pytest

from server.observers.metrics import Metrics, labels
from server.observers.metrics.labels import Label
from server.prm.metrics import Metrics as ScoringMetrics

from .exposition import Scrape

PAGE = (Path(__file__).parents[3] / "docs" / "metrics.md").read_text("utf-8")

_ROW = re.compile(
    r"^\| `(?P<name>cogitate_\w+)` \| (?P<kind>\w+) \| (?P<labels>[^|]*)\| (?P<unit>[^|]+) \| (?P<text>.+) \|$"
)


class Row(NamedTuple):
    """A metric as it is documented."""

    kind: str
    labels: tuple[str, ...]
    unit: str


def documented() -> dict[str, Row]:
    rows = [match for line in PAGE.splitlines() if (match := _ROW.match(line))]
    found = {row["name"]: Row(row["kind"], tuple(re.findall(r"`(\w+)`", row["labels"])), row["unit"]) for row in rows}
    assert len(found) == len(rows)
    return found


def test_each_line_of_a_table_can_be_read() -> None:
    assert len(documented()) == PAGE.count("| `cogitate_")


def test_the_page_and_the_code_agree() -> None:
    written = {name: row for name, row in documented().items() if not name.startswith("cogitate_prm_")}
    declared = {metric.name: metric for metric in Metrics("1").catalogue.declared}
    assert written.keys() == declared.keys()
    for name, row in written.items():
        assert (row.kind, row.labels) == (declared[name].kind, declared[name].labels), name


def test_the_page_and_the_scoring_service_agree() -> None:
    written = {name: row.kind for name, row in documented().items() if name.startswith("cogitate_prm_")}
    exposed = Scrape(ScoringMetrics("1").exposed()).names
    ours = {name: kind for name, kind in exposed.items() if name.startswith("cogitate_prm_")}
    created = {name for name in ours if name.endswith("_created")}
    named = {f"{name}_total" if kind == "counter" else name: kind for name, kind in ours.items() if name not in created}
    assert written == named


@pytest.mark.parametrize("name", documented())
def test_names_tell_kind_and_unit(name: str) -> None:
    row = documented()[name]
    assert name.endswith("_total") is (row.kind == "counter")
    for unit in ("seconds", "tokens", "ratio"):
        assert (f"_{unit}" in name) is (row.unit == unit), name


@pytest.mark.parametrize("label", [label for label in vars(labels).values() if isinstance(label, Label)])
def test_every_value_of_a_label_is_explained(label: Label) -> None:
    assert label.values
    unexplained = [value for value in label.values if f"`{value}`" not in PAGE]
    assert not unexplained or label.name == "level"
