from dataclasses import replace

import pytest

from router.budget import Budget, Spent
from router.events import Aborted, Answered, Degraded, Lost, Planned, Probed, Pruned, Sampled, Scored
from router.testing import FakeScorer
from router.types import Difficulty, Finish
from server.observers.metrics import Metrics
from server.report import Call, Outcome, Port, Report, Step

from . import reports
from .exposition import Scrape, counted
from .searched import fixed, judge, searched

EVENTS = (
    Sampled((0,), 20, Finish.STEP, None),
    Sampled((1,), 20, Finish.EOS, "42"),
    Scored(2, 50, 0.9),
    Probed(Difficulty(4, 0.75, 0.5, 0.4, 3)),
    Planned("dvts", 8, "weighted_majority", "hard"),
    Pruned(((0, 1), (0, 2), (0, 3))),
    Lost(2, "cut"),
    Sampled((0, 0), 20, Finish.LENGTH, None),
    Degraded("scorer: gone"),
    Probed(Difficulty(8, 0.5, 0.5, 0.6, 4)),
    Aborted(4),
    Answered("42", 3, 6, 0.9, "complete"),
)

ANSWERED = replace(
    reports.ANSWERED,
    model="math",
    asked=Budget(samples=32, tokens=1000, deadline=2.0),
    answer=replace(reports.ANSWER, degraded=("scorer: gone", "samples: 16 of 32, for more is to do", "scorer: again")),
    steps=tuple(Step(0.01, event) for event in EVENTS),
    calls=(
        Call(Port.MEASURE, 0.0, 0.01),
        Call(Port.GENERATE, 0.01, 0.21, 8, 290),
        Call(Port.GENERATE, 0.21, 0.22, 0, 10, "cancelled"),
        Call(Port.SCORE, 0.21, 0.25, 6, 50),
        Call(Port.SCORE, 0.25, 0.26, 2, 0, "ScorerError"),
    ),
    upstream=0.25,
    queued=0.02,
)

FAILED = replace(reports.FAILED, asked=Budget(samples=64), calls=(Call(Port.GENERATE, 0, 0.2, 1, 70, "Unreachable"),))


@pytest.mark.parametrize(
    ("name", "labels", "value"),
    [
        ("cogitate_build_info", {"version": "1.2.3"}, 1),
        ("cogitate_policy_info", {"model": "math", "policy": "calibrated", "digest": "ab12"}, 1),
        ("cogitate_workers", {}, 1),
        ("cogitate_requests_in_flight", {}, 0),
        ("cogitate_requests_total", {"model": "math", "outcome": "answered", "stream": "true"}, 1),
        ("cogitate_request_duration_seconds_sum", {"model": "math", "outcome": "answered"}, 0.3),
        ("cogitate_time_to_first_token_seconds_sum", {"model": "math"}, 0.04),
        ("cogitate_gateway_overhead_seconds_sum", {"model": "math"}, 0.03),
        ("cogitate_upstream_wait_seconds_sum", {"model": "math"}, 0.25),
        ("cogitate_queue_wait_seconds_sum", {}, 0.02),
        ("cogitate_budgets_total", {"preset": "medium"}, 1),
        ("cogitate_asked_samples_sum", {}, 32),
        ("cogitate_granted_samples_sum", {}, 16),
        ("cogitate_granted_tokens_sum", {}, 1000),
        ("cogitate_spent_samples_sum", {"strategy": "dvts"}, 8),
        ("cogitate_spent_tokens_sum", {"strategy": "dvts"}, 400),
        ("cogitate_budget_used_ratio_sum", {"strategy": "dvts"}, 0.5),
        ("cogitate_degraded_total", {"reason": "scorer"}, 1),
        ("cogitate_degraded_total", {"reason": "samples"}, 1),
        ("cogitate_degraded_total", {"reason": "quota"}, 0),
        ("cogitate_searches_total", {"model": "math", "strategy": "dvts", "stopped": "complete"}, 1),
        ("cogitate_search_width_sum", {"strategy": "dvts"}, 8),
        ("cogitate_probes_total", {"level": "3"}, 1),
        ("cogitate_probes_total", {"level": "4"}, 0),
        ("cogitate_predicted_agreement_ratio_sum", {"level": "3"}, 0.75),
        ("cogitate_realised_agreement_ratio_sum", {"level": "3"}, 0.5),
        ("cogitate_candidates_total", {"state": "finished"}, 2),
        ("cogitate_candidates_total", {"state": "pruned"}, 3),
        ("cogitate_candidates_total", {"state": "lost"}, 2),
        ("cogitate_candidates_total", {"state": "aborted"}, 4),
        ("cogitate_prompt_tokens_total", {}, 12),
        ("cogitate_generated_tokens_total", {"model": "math", "strategy": "dvts"}, 300),
        ("cogitate_scorer_tokens_total", {"model": "math", "strategy": "dvts"}, 50),
        ("cogitate_compute_tokens_total", {"model": "math", "strategy": "dvts"}, 400),
        ("cogitate_saved_tokens_total", {"model": "math", "strategy": "dvts"}, 400),
        ("cogitate_overrun_tokens_total", {}, 0),
        ("cogitate_generator_call_duration_seconds_sum", {"model": "math", "outcome": "ok"}, 0.2),
        ("cogitate_generator_call_duration_seconds_count", {"model": "math", "outcome": "cancelled"}, 1),
        ("cogitate_generator_call_samples_sum", {"model": "math"}, 8),
        ("cogitate_scorer_call_duration_seconds_sum", {"model": "math", "outcome": "ok"}, 0.04),
        ("cogitate_scorer_call_duration_seconds_count", {"model": "math", "outcome": "failed"}, 1),
        ("cogitate_scorer_call_candidates_sum", {"model": "math"}, 6),
        ("cogitate_scorer_call_tokens_sum", {"model": "math"}, 50),
    ],
)
def test_a_report_is_counted(name: str, labels: dict[str, str], value: float) -> None:
    assert counted(ANSWERED)(name, **labels) == pytest.approx(value)


def test_an_answered_request_wastes_nothing() -> None:
    assert not {"cogitate_wasted_tokens_total", "cogitate_shed_total"} & counted(ANSWERED).moved()


def test_an_invalid_request_counts_as_a_request_and_nothing_else() -> None:
    scrape = counted(reports.REFUSED)
    assert scrape("cogitate_requests_total", model="", outcome="invalid", stream="false") == 1
    constant = {"cogitate_build_info", "cogitate_policy_info", "cogitate_workers"}
    moved = {name for name in scrape.moved() - constant if not name.startswith(("process_", "cogitate_request"))}
    assert not moved


def test_a_failed_request_shows_what_it_was_granted_and_what_it_wasted() -> None:
    scrape = counted(FAILED)
    assert scrape("cogitate_budgets_total", preset="auto") == 1
    assert scrape("cogitate_granted_samples_sum") == 64
    assert scrape("cogitate_granted_tokens_count") == 0
    assert scrape("cogitate_wasted_tokens_total", model="math", outcome="generator") == 70
    assert "cogitate_generated_tokens_total" not in scrape.moved()
    assert "cogitate_gateway_overhead_seconds_count" not in scrape.moved()


def test_an_answer_that_nobody_took_is_a_search_and_its_tokens_are_wasted() -> None:
    scrape = counted(replace(ANSWERED, outcome=Outcome.CANCELLED))
    assert scrape("cogitate_searches_total", model="math", strategy="dvts", stopped="complete") == 1
    assert scrape("cogitate_wasted_tokens_total", model="math", outcome="cancelled") == 300
    assert not {"cogitate_generated_tokens_total", "cogitate_saved_tokens_total"} & scrape.moved()


def test_a_request_that_is_turned_away_has_asked_and_has_been_granted_nothing() -> None:
    scrape = counted(
        replace(ANSWERED, outcome=Outcome.OVERLOADED, budget=None, answer=None, steps=(), shed="queue_time")
    )
    assert scrape("cogitate_shed_total", reason="queue_time") == 1
    assert scrape("cogitate_asked_samples_sum") == 32
    assert not {"cogitate_granted_samples_count", "cogitate_queue_wait_seconds_count"} & scrape.moved()


def test_an_overrun_is_told_even_of_an_answer_that_nobody_took() -> None:
    assert ANSWERED.answer
    overrun = replace(ANSWERED, outcome=Outcome.CANCELLED, answer=replace(ANSWERED.answer, overrun=9))
    assert counted(overrun)("cogitate_overrun_tokens_total") == 9


@pytest.mark.parametrize("spent", [Spent(samples=16, compute=400), Spent(samples=0, compute=5)])
def test_nothing_is_saved_where_all_was_drawn_or_nothing_has_a_price(spent: Spent) -> None:
    assert ANSWERED.answer
    scrape = counted(replace(ANSWERED, answer=replace(ANSWERED.answer, spent=spent)))
    assert "cogitate_saved_tokens_total" not in scrape.moved()


def test_an_answer_by_a_budget_without_samples_has_no_share_of_it() -> None:
    for budget in (Budget(tokens=1000), None):
        scrape = counted(replace(ANSWERED, budget=budget))
        assert not {"cogitate_budget_used_ratio_count", "cogitate_granted_samples_count"} & scrape.moved()
        assert scrape("cogitate_spent_samples_count", strategy="dvts") == 1


def test_what_was_promised_is_only_compared_where_something_came_of_it() -> None:
    scrape = counted(replace(ANSWERED, steps=ANSWERED.steps[:-1]))
    assert scrape("cogitate_probes_total", level="3") == 1
    assert "cogitate_predicted_agreement_ratio_count" not in scrape.moved()


def test_clocks_that_disagree_make_no_negative_overhead() -> None:
    scrape = counted(replace(ANSWERED, upstream=9.0))
    assert scrape("cogitate_gateway_overhead_seconds_sum", model="math") == 0


def test_a_request_under_way_is_in_flight() -> None:
    metrics = Metrics("1")
    metrics.started()
    assert Scrape(metrics.exposed())("cogitate_requests_in_flight") == 1


def test_two_servers_in_one_process_count_apart() -> None:
    Metrics("1").started()
    assert Scrape(Metrics("1").exposed())("cogitate_requests_in_flight") == 0


def test_the_policy_of_each_model_is_told() -> None:
    metrics = Metrics("1")
    metrics.serves("small", "calibrated", "ab12")
    metrics.serves("large", "default")
    scrape = Scrape(metrics.exposed())
    assert scrape("cogitate_policy_info", model="small", policy="calibrated", digest="ab12") == 1
    assert scrape("cogitate_policy_info", model="large", policy="default", digest="") == 1


def test_how_full_the_server_is_can_be_shown() -> None:
    metrics = Metrics("1")
    metrics.door.seen(load=12.5, waiting=3, capacity=256)
    scrape = Scrape(metrics.exposed())
    names = ("cogitate_samples_in_flight", "cogitate_queue_requests", "cogitate_capacity_samples")
    assert [scrape(name) for name in names] == [12.5, 3, 256]


def test_what_a_pool_tells_is_counted() -> None:
    metrics = Metrics("1")
    metrics.serves("math", "default")
    counts, of = metrics.replicas.pool("math", "scorer"), {"model": "math", "role": "scorer"}
    counts.ejected()
    counts.died()
    counts.died()
    counts.retried(taken=True)
    counts.retried(taken=False)
    counts.seen({"up": 2, "dead": 1})
    counts.seen({"up": 1, "ejected": 2})
    metrics.replicas.seen("math", up=True)
    scrape = Scrape(metrics.exposed())
    assert [scrape("cogitate_ejections_total", reason=r, **of) for r in ("failed", "dead")] == [1, 2]
    assert [scrape("cogitate_retries_total", outcome=o, **of) for o in ("taken", "refused")] == [1, 1]
    states = ("up", "trial", "resting", "ejected", "dead")
    assert [scrape("cogitate_replicas", state=s, **of) for s in states] == [1, 0, 0, 2, 0]
    assert scrape("cogitate_model_up", model="math") == 1


@pytest.mark.parametrize("strategy", ["greedy", "majority_voting", "beam_search"])
def test_real_searches_add_up(strategy: str) -> None:
    report: Report = searched(fixed(strategy, 8), scorer=FakeScorer(judge))
    assert report.answer
    scrape, spent = counted(report), report.answer.spent
    assert scrape("cogitate_generated_tokens_total", model="math", strategy=strategy) == spent.tokens
    assert scrape("cogitate_generator_call_samples_sum", model="math") >= spent.samples
    assert scrape("cogitate_scorer_call_tokens_sum", model="math") == spent.scorer_tokens
    assert scrape("cogitate_candidates_total", state="finished") == report.answer.solutions
