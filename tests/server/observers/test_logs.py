import logging

import pytest

from server.observers import Log

from .reports import ANSWERED, FAILED, REFUSED


@pytest.fixture
def records(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    caplog.set_level(logging.INFO, logger="cogitate.requests")
    log = Log()
    for report in (ANSWERED, REFUSED, FAILED):
        log.started()
        log.ended(report)
    return caplog.records


def test_each_request_is_one_line(records: list[logging.LogRecord]) -> None:
    assert [record.getMessage().split()[0] for record in records] == ["id=req_1", "id=req_2", "id=req_3"]
    assert "strategy=dvts samples=8 tokens=300 scorer_tokens=50 stopped=complete" in records[0].getMessage()


def test_what_is_our_fault_is_a_warning(records: list[logging.LogRecord]) -> None:
    assert [record.levelno for record in records] == [logging.INFO, logging.INFO, logging.WARNING]


def test_neither_question_nor_answer_is_logged(records: list[logging.LogRecord]) -> None:
    assert not [record for record in records if "42" in record.getMessage()]


def test_what_went_wrong_is_told_on_the_same_line(records: list[logging.LogRecord]) -> None:
    assert records[0].getMessage().endswith('cause="scorer: gone"')
    assert "cause=" not in records[1].getMessage()
    assert records[2].getMessage().endswith("model=math budget=auto cause=" + r'"\"a\"\nbroke"')
