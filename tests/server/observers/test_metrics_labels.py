"""Labels are closed sets: whatever is asked, the number of series is what it was at the start."""

from dataclasses import replace

import pytest

from router.events import Probed
from router.policy.names import STRATEGIES, plan_for
from router.types import Difficulty
from server.gateway.budgets import PRESETS
from server.observers.metrics import labels
from server.report import Outcome, Report, Step
from server.upstream import Standing

from .exposition import counted
from .test_metrics import ANSWERED, FAILED

CANARY = "sk-CANARY"


def test_labels_know_all_values_that_others_use() -> None:
    assert set(labels.PRESET.values) == {*PRESETS, "custom"}
    assert set(labels.STANDING.values) == set(Standing)
    assert set(labels.STRATEGY.values) == {*STRATEGIES, "probe"}
    assert set(labels.OUTCOME.values) == set(Outcome) == {*labels.UNANSWERED.values, "answered"}


def invented(number: int) -> Report:
    """Return a report with a text of its own in every field that takes one."""
    text = f"{CANARY}{number}"
    assert ANSWERED.answer
    answer = replace(ANSWERED.answer, stopped=text, degraded=(f"{text}: x",))
    probed = Step(0.1, Probed(Difficulty(4, 0.5, 0.5, 0.5, 100 + number)))
    report = replace(ANSWERED, request_id=text, model=text, preset=text, shed=text, cause=text, answer=answer)
    return replace(report, key=text, policy=text, trace_id=text, steps=(probed, *ANSWERED.steps))


def test_values_that_are_not_known_share_one_series() -> None:
    reports = [invented(number) for number in range(50)]
    once, often = counted(reports[0]), counted(*reports)
    assert once.series.keys() == often.series.keys()
    assert not [series for series in often.series if CANARY in str(series)]
    assert often("cogitate_requests_total", model="", outcome="answered", stream="true") == 50
    assert often("cogitate_searches_total", model="", strategy="dvts", stopped="other") == 50
    assert often("cogitate_budgets_total", preset="other") == 50
    assert often("cogitate_probes_total", level="other") == 50
    assert often("cogitate_shed_total", reason="other") == 50
    assert often("cogitate_degraded_total", reason="other") == 50


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_plan_is_known_by_its_name(strategy: str) -> None:
    assert ANSWERED.answer
    scrape = counted(replace(ANSWERED, answer=replace(ANSWERED.answer, plan=plan_for(strategy, 4))))
    assert scrape("cogitate_spent_samples_count", strategy=strategy) == 1


def test_an_answer_without_a_plan_came_from_the_probe() -> None:
    assert ANSWERED.answer
    probe = replace(ANSWERED.answer, plan=replace(ANSWERED.answer.plan, strategy=None))
    assert counted(replace(ANSWERED, answer=probe))("cogitate_spent_samples_count", strategy="probe") == 1


def test_counters_are_zero_before_the_first() -> None:
    scrape = counted()
    for outcome in Outcome:
        assert scrape("cogitate_requests_total", model="math", outcome=outcome.value, stream="false") == 0
    for reason in ("queue_full", "queue_time", "starting", "draining", "key_requests", "key_compute", "quota"):
        assert scrape("cogitate_shed_total", reason=reason) == 0
    assert scrape("cogitate_requests_total", model="", outcome="invalid", stream="false") == 0
    assert scrape("cogitate_searches_total", model="math", strategy="greedy", stopped="agreed") == 0
    assert scrape("cogitate_ejections_total", model="math", role="generator", reason="dead") == 0
    assert scrape("cogitate_retries_total", model="math", role="scorer", outcome="refused") == 0
    assert scrape("cogitate_wasted_tokens_total", model="math", outcome="cancelled") == 0


def test_what_usual_requests_do_makes_no_new_series() -> None:
    assert counted(ANSWERED, FAILED).series.keys() == counted().series.keys()
