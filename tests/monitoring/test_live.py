"""A real Prometheus asks a real gateway under load, while its scorer dies, a replica fails and too many ask."""

from dataclasses import dataclass

import pytest

from .definitions import Panel, Rule, alerts, boards, metrics_in, panels, rules
from .prometheus import Prometheus, Series
from .questions import asked
from .stage import MODEL, Stage

_NO_KEYS = "nobody is asked for a key here"
_IN_TIME = "no answer takes 10 s"
_A_MOMENT = "is over before a scrape may see it"
_FAKE = "the fake vLLM has room for everything"

ZERO = {
    ("Late", "__auto"): _IN_TIME,
    **{("Latency budget", f"{window} {{{{job}}}}"): _IN_TIME for window in ("5m", "1h", "6h")},
    ("Models down", "__auto"): "one replica goes on",
    ("Waiting", "__auto"): _A_MOMENT,
    ("Scoring service: batches", "waiting"): _A_MOMENT,
    ("vLLM: requests", "{{model_name}} waiting"): _FAKE,
    ("vLLM: preempted", "{{model_name}}"): _FAKE,
    ("Overrun", "__auto"): "more than 0 is a fault",
    ("Keys at their limits", "{{reason}}"): _NO_KEYS,
    ("Answers cut by keys", "quota"): _NO_KEYS,
    ("Lost candidates", "lost"): "what a replica fails to draw the other one draws",
}
"""Queries, by panel and legend, that are there but may be zero all the time, and why. All others have to be more."""

FAULTS = {"CogitateScorerDown", "CogitateReplicasOut", "CogitateShedding", "CogitateFailing"}
"""Alerts of what befalls the stage."""


@dataclass(frozen=True)
class Seen:
    """What a query gave over the whole run."""

    series: list[Series]

    @property
    def numbers(self) -> list[float]:
        """All values that are numbers."""
        return [float(v) for one in self.series for _, v in one["values"] if v not in {"NaN", "+Inf", "-Inf"}]


def seen(stage: Stage, expr: str, since: str = "begin") -> Seen:
    """Ask a query for every second since a moment."""
    return Seen(stage.prometheus.over(asked(expr), stage.times[since], stage.times["end"] + 2))


def test_everything_is_scraped(stage: Stage) -> None:
    assert {target["labels"]["job"] for target in stage.prometheus.targets()} == {"cogitate", "cogitate-prm", "vllm"}


@pytest.mark.parametrize("panel", panels(), ids=lambda p: f"{p.board}: {p.title}")
def test_a_panel_shows_something(stage: Stage, panel: Panel) -> None:
    for legend, expr in panel.queries:
        assert metrics_in(expr) <= stage.prometheus.names(), legend
        numbers = seen(stage, expr).numbers
        assert numbers, (legend, asked(expr))
        assert max(numbers) > 0 or (panel.title, legend) in ZERO, (legend, asked(expr))


@pytest.mark.parametrize("panel", [p for p in panels() if p.kind == "heatmap"], ids=lambda p: p.title)
def test_a_heatmap_has_buckets(stage: Stage, panel: Panel) -> None:
    ((_, expr),) = panel.queries
    series = seen(stage, expr).series
    assert {one["metric"]["le"] for one in series} >= {"+Inf"}
    assert len(series) > 5


@pytest.mark.parametrize("uid", boards())
def test_variables_offer_what_there_is(stage: Stage, uid: str) -> None:
    variables = {v["name"]: v for v in boards()[uid]["templating"]["list"]}
    assert variables["datasource"]["query"] == "prometheus"
    assert _choices(stage.prometheus, variables["job"]["query"]["query"]) == ["cogitate"]
    assert _choices(stage.prometheus, variables["model"]["query"]["query"]) == [MODEL]


def test_every_rule_is_evaluated_without_a_fault(stage: Stage) -> None:
    told = stage.prometheus.rules()
    assert {rule["name"] for rule in told} == {rule.name for rule in rules()}
    assert {(rule["name"], rule["health"], rule.get("lastError")) for rule in told if rule["health"] != "ok"} == set()


@pytest.mark.parametrize("name", [rule.name for rule in rules() if not rule.alert])
def test_a_rule_that_records_has_recorded(stage: Stage, name: str) -> None:
    assert seen(stage, name).numbers


@pytest.mark.parametrize("rule", alerts(), ids=lambda r: r.name)
def test_no_metric_of_an_alert_is_unknown(stage: Stage, rule: Rule) -> None:
    assert metrics_in(rule.expr) <= stage.prometheus.names()


def test_what_may_be_zero_is_asked_for() -> None:
    assert set(ZERO) <= {(panel.title, legend) for panel in panels() for legend, _ in panel.queries}


def test_nothing_is_spent_that_was_not_set_aside(stage: Stage) -> None:
    assert set(seen(stage, "cogitate_overrun_tokens_total").numbers) == {0.0}


def test_nothing_fires_while_nothing_is_wrong(stage: Stage) -> None:
    calm = stage.prometheus.over('ALERTS{alertstate="firing"}', stage.times["begin"], stage.times["fault"])
    assert calm == []


def test_the_alerts_of_the_faults_fire(stage: Stage) -> None:
    firing = {one["metric"]["alertname"] for one in seen(stage, 'ALERTS{alertstate="firing"}', "fault").series}
    assert firing >= FAULTS


def test_what_an_alert_says_is_filled_in(stage: Stage) -> None:
    said = [alert["annotations"] for rule in stage.prometheus.rules() for alert in rule.get("alerts", ())]
    assert said
    for notes in said:
        assert not {"<no value>", "%!", "error"} & set(notes["description"].split())
        assert "{{" not in notes["description"]


def test_the_verdict_shows_the_faults(stage: Stage) -> None:
    expr = {panel.title: panel.queries[0][1] for panel in panels() if panel.board == "cogitate-overview"}
    (calm,) = stage.prometheus.now(asked(expr["Degraded"]), stage.times["fault"])
    assert max(seen(stage, expr["Degraded"], "fault").numbers) > max(0.05, 2 * float(calm["value"][1]))
    assert max(seen(stage, expr["Failing"], "fault").numbers) > 0.072
    assert max(seen(stage, expr["Replicas out"], "fault").numbers) >= 1
    assert max(seen(stage, expr["Shed"], "fault").numbers) > 0.1


def _choices(prometheus: Prometheus, query: str) -> list[str]:
    """Return what `label_values(SELECTOR, LABEL)` offers."""
    select, _, label = query.removeprefix("label_values(").removesuffix(")").rpartition(",")
    return prometheus.values(label.strip(), asked(select))
