import logging
from dataclasses import replace

import pytest

from router.testing import FakeGenerator, FakeScorer
from server.observers.logs import Log
from server.report import Outcome, Report
from server.web.log import Fields

from .reports import ANSWERED, FAILED, REFUSED
from .searched import fixed, judge, script, searched


def logged(report: Report, caplog: pytest.LogCaptureFixture) -> logging.LogRecord:
    caplog.set_level(logging.INFO, logger="cogitate.requests")
    caplog.clear()
    log = Log()
    log.started()
    log.ended(report)
    (record,) = caplog.records
    return record


def fields(report: Report, caplog: pytest.LogCaptureFixture) -> dict[str, object]:
    message = logged(report, caplog).msg
    assert isinstance(message, Fields)
    return dict(message.values)


def test_a_request_is_one_line_with_all_it_took(caplog: pytest.LogCaptureFixture) -> None:
    assert fields(searched(fixed("weighted_best_of_n", 8)), caplog) == {
        "id": "req_1",
        "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
        "key": "team-a",
        "status": 200,
        "outcome": "answered",
        "model": "math",
        "stream": False,
        "preset": "custom",
        "asked": 32,
        "granted": 16,
        "strategy": "weighted_best_of_n",
        "samples": 8,
        "tokens": 88,
        "scorer_tokens": 144,
        "stopped": "complete",
        "lost": 0,
        "degraded": False,
        "seconds": 0.112,
        "upstream": 0.11,
        "queued": 0.0,
        "overhead": 0.002,
    }


def test_the_line_is_text_where_the_log_is(caplog: pytest.LogCaptureFixture) -> None:
    line = logged(ANSWERED, caplog).getMessage()
    assert line.startswith("id=req_1 status=200 outcome=answered stream=True preset=medium")
    assert "strategy=dvts samples=8 tokens=300 scorer_tokens=50 stopped=complete" in line


def test_a_refused_request_says_why(caplog: pytest.LogCaptureFixture) -> None:
    refused = replace(REFUSED, outcome=Outcome.OVERLOADED, status=503, shed="queue_full", queued=0.0)
    found = fields(refused, caplog)
    assert (found["status"], found["shed"]) == (503, "queue_full")
    assert not {"asked", "granted", "strategy", "cause"} & set(found)


@pytest.mark.parametrize(("report", "level"), [(ANSWERED, "INFO"), (REFUSED, "INFO"), (FAILED, "WARNING")])
def test_what_is_our_fault_is_a_warning(report: Report, level: str, caplog: pytest.LogCaptureFixture) -> None:
    assert logged(report, caplog).levelname == level


def test_a_line_that_nobody_reads_is_not_made(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, logger="cogitate.requests")
    Log().ended(ANSWERED)
    assert not caplog.records


def test_neither_question_nor_answer_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    line = logged(searched(fixed("weighted_best_of_n", 8)), caplog).getMessage()
    assert "CANARY" not in line
    assert "42" not in line.replace("4bf92f3577b34da6a3ce929d0e0e4736", "")


def test_what_went_wrong_is_told_on_the_same_line(caplog: pytest.LogCaptureFixture) -> None:
    assert logged(ANSWERED, caplog).getMessage().endswith('cause="scorer: gone"')
    assert "cause=" not in logged(REFUSED, caplog).getMessage()
    line = logged(FAILED, caplog).getMessage()
    assert "model=math" in line
    assert line.endswith("cause=" + r'"\"a\"\nbroke"')


def test_a_backend_that_repeats_the_prompt_is_not_repeated(caplog: pytest.LogCaptureFixture) -> None:
    asked = searched(generator=FakeGenerator(script, fail=True), question="my password is swordfish-1234")
    echo = "invalid value at messages[0]: 'My password is SWORDFISH-1234'"
    assert fields(replace(asked, cause=echo), caplog)["cause"] == "invalid value at messages[0]: 'My […] is […]-[…]'"


def test_a_scorer_that_repeats_a_solution_is_not_repeated(caplog: pytest.LogCaptureFixture) -> None:
    report = searched(scorer=FakeScorer(judge, fail_after=0))
    assert report.answer
    echo = replace(report, answer=replace(report.answer, degraded=("scorer: no step in 'CANARYSTEP'",)))
    assert fields(echo, caplog)["cause"] == "scorer: no […] in '[…]'"


def test_a_cause_is_bounded(caplog: pytest.LogCaptureFixture) -> None:
    cause = fields(replace(FAILED, cause="word " * 1000), caplog)["cause"]
    assert isinstance(cause, str)
    assert len(cause) == 300
    assert cause.endswith("…")
