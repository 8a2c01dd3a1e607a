import pytest

from server.observers import Metrics
from server.report import Report

from .reports import ANSWERED, FAILED, REFUSED


def exposed(*reports: Report) -> dict[str, float]:
    metrics = Metrics("1.2.3")
    for report in reports:
        metrics.started()
        metrics.ended(report)
    lines = [line for line in metrics.exposed().decode().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


@pytest.mark.parametrize(
    ("series", "value"),
    [
        ('cogitate_build_info{version="1.2.3"}', 1),
        ("cogitate_requests_in_flight", 0),
        ('cogitate_requests_total{outcome="answered",stream="true"}', 1),
        ('cogitate_request_duration_seconds_sum{outcome="answered"}', 0.3),
        ("cogitate_time_to_first_token_seconds_sum", 0.04),
        ('cogitate_budgets_total{preset="medium"}', 1),
        ("cogitate_budget_samples_sum", 16),
        ("cogitate_budget_tokens_sum", 1000),
        ('cogitate_spent_samples_sum{strategy="dvts"}', 8),
        ('cogitate_spent_tokens_sum{strategy="dvts"}', 400),
        ('cogitate_searches_total{stopped="complete",strategy="dvts"}', 1),
        ('cogitate_search_width_sum{strategy="dvts"}', 8),
        ('cogitate_probes_total{level="3"}', 1),
        ("cogitate_prompt_tokens_total", 12),
        ('cogitate_generated_tokens_total{strategy="dvts"}', 300),
        ('cogitate_scorer_tokens_total{strategy="dvts"}', 50),
        ("cogitate_lost_samples_total", 2),
        ("cogitate_degraded_total", 1),
        ("cogitate_overrun_tokens_total", 0),
    ],
)
def test_a_report_is_counted(series: str, value: float) -> None:
    assert exposed(ANSWERED)[series] == value


def test_the_policy_of_each_model_is_told() -> None:
    metrics = Metrics("1")
    metrics.serves("small", "calibrated", "ab12")
    metrics.serves("large", "default")
    text = metrics.exposed().decode()
    assert 'cogitate_policy_info{digest="ab12",model="small",policy="calibrated"} 1.0' in text
    assert 'cogitate_policy_info{digest="",model="large",policy="default"} 1.0' in text


def test_a_refused_request_counts_as_a_request_and_nothing_else() -> None:
    series = exposed(REFUSED)
    assert series['cogitate_requests_total{outcome="invalid",stream="false"}'] == 1
    assert series["cogitate_budget_samples_count"] == 0
    assert not [name for name in series if name.startswith("cogitate_searches_total")]


def test_a_failed_request_shows_what_it_had_been_granted() -> None:
    series = exposed(FAILED)
    assert series['cogitate_budgets_total{preset="auto"}'] == 1
    assert series["cogitate_budget_tokens_count"] == 0


def test_a_request_under_way_is_in_flight() -> None:
    metrics = Metrics("1")
    metrics.started()
    assert b"\ncogitate_requests_in_flight 1.0\n" in metrics.exposed()


def test_two_servers_in_one_process_count_apart() -> None:
    Metrics("1").started()
    assert b"\ncogitate_requests_in_flight 0.0\n" in Metrics("1").exposed()


def test_no_label_holds_an_id() -> None:
    assert not [name for name in exposed(ANSWERED, REFUSED, FAILED) if "req_" in name]
