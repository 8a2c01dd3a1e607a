"""Dashboards, rules, runbook and code agree: each metric, panel and section that one names is there in the other."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from server.settings import PrmSettings, Settings

from .definitions import BOARDS, GRAFANA, PROMETHEUS, RUNBOOK, Panel, Rule, alerts, boards, metrics_in, panels, rules
from .exposed import known, labels

_SELECTOR = re.compile(r"([a-zA-Z_:][\w:]*)\{([^}]*)\}")
_ADDED = {"job", "instance"}
"""Labels that Prometheus adds to everything it scrapes."""


def test_the_committed_dashboards_are_those_of_the_code(tmp_path: Path) -> None:
    subprocess.run((sys.executable, str(GRAFANA / "build.py"), str(tmp_path)), check=True, capture_output=True)
    built = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert built == {path.name: path.read_text() for path in BOARDS.glob("*.json")}


def test_there_are_four_dashboards_and_the_first_row_of_the_overview_is_the_verdict() -> None:
    assert set(boards()) == {f"cogitate-{name}" for name in ("overview", "quality", "cost", "backends")}
    heading, *verdict, after = boards()["cogitate-overview"]["panels"][:5]
    assert (heading["type"], after["type"]) == ("row", "row")
    assert [(p["title"], p["type"]) for p in verdict] == [("Late", "stat"), ("Dear", "stat"), ("Degraded", "stat")]
    assert all(len(p["fieldConfig"]["defaults"]["thresholds"]["steps"]) == 3 for p in verdict)


@pytest.mark.parametrize("panel", panels(), ids=lambda p: f"{p.board}: {p.title}")
def test_a_panel_says_what_it_shows_and_asks_the_data_source_that_is_chosen(panel: Panel) -> None:
    assert panel.json["description"].endswith(".")
    for part in (panel.json, *panel.json["targets"]):
        assert part["datasource"] == {"type": "prometheus", "uid": "${datasource}"}


@pytest.mark.parametrize("uid", boards())
def test_panels_have_names_numbers_and_places_of_their_own(uid: str) -> None:
    everything = boards()[uid]["panels"]
    titles = [panel["title"] for panel in everything if panel["type"] != "row"]
    assert len(set(titles)) == len(titles)
    assert len({panel["id"] for panel in everything}) == len(everything)
    cells = [
        (x, y)
        for place in (panel["gridPos"] for panel in everything)
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < 24


@pytest.mark.parametrize("expr", sorted({expr for p in panels() for _, expr in p.queries} | {r.expr for r in rules()}))
def test_every_metric_and_label_that_is_asked_for_is_in_the_code(expr: str) -> None:
    assert metrics_in(expr)
    assert metrics_in(expr) <= known()
    for name, select in _SELECTOR.findall(expr):
        asked = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", re.sub(r'"[^"]*"', '""', select)))
        if name in labels():
            assert asked - _ADDED <= labels()[name], name


def test_names_are_told_from_functions_words_and_labels() -> None:
    expr = '1e3 * sum by (le, a) (rate(x_total{b="c_d",e=~"f"}[5m])) / on (job) group_left () (job:y:z5m > 0.5) or up'
    assert metrics_in(expr) == {"x_total", "job:y:z5m", "up"}


@pytest.mark.parametrize("rule", alerts(), ids=lambda r: r.name)
def test_an_alert_says_how_bad_it_is_and_where_to_look(rule: Rule) -> None:
    assert rule.alert
    notes = rule.alert["annotations"]
    assert rule.alert["labels"]["severity"] in {"page", "ticket"}
    assert notes["summary"]
    assert notes["description"].endswith(".")
    assert notes["runbook_url"] == f"docs/runbook.md#{rule.name.lower()}"
    assert (notes["dashboard"], notes["panel"]) in {(panel.board, panel.title) for panel in panels()}


def test_the_runbook_has_a_section_for_every_alert_and_for_nothing_else() -> None:
    sections = re.findall(r"^## (\w+)$", RUNBOOK.read_text(), re.MULTILINE)
    assert sections == sorted(sections)
    assert set(sections) == {rule.name for rule in alerts()}


def test_every_section_of_the_runbook_says_what_it_means_where_to_look_and_what_to_do() -> None:
    for section in re.split(r"^## ", RUNBOOK.read_text(), flags=re.MULTILINE)[1:]:
        name = section.split("\n", 1)[0]
        for part in ("**Meaning.**", "**See it.**", "**Do.**"):
            assert part in section, (name, part)


def test_the_runbook_names_settings_that_there_are() -> None:
    settings = {f"COGITATE_{name.upper()}" for name in Settings.model_fields}
    settings |= {f"COGITATE_PRM_{name.upper()}" for name in PrmSettings.model_fields}
    assert set(re.findall(r"COGITATE_[A-Z_]+", RUNBOOK.read_text())) <= settings


def test_grafana_finds_the_data_source_and_the_dashboards() -> None:
    (source,) = yaml.safe_load((GRAFANA / "provisioning/datasources/prometheus.yaml").read_text())["datasources"]
    scraped = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())["global"]["scrape_interval"]
    assert (source["type"], source["jsonData"]["timeInterval"]) == ("prometheus", scraped)
    (provider,) = yaml.safe_load((GRAFANA / "provisioning/dashboards/cogitate.yaml").read_text())["providers"]
    assert (provider["type"], provider["options"]["path"]) == ("file", "/var/lib/grafana/dashboards")
