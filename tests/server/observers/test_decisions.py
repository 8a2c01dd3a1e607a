import json
import logging
import logging.config
import multiprocessing
import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from pathlib import Path
from threading import Event as Flag
from typing import Any, get_args

import orjson
import pytest

from router.events import Event, Lost
from router.testing import FakeGenerator
from server.observers import records
from server.observers.background import Background
from server.observers.decisions import Decisions
from server.report import Outcome, Report, Step

from .reports import ANSWERED, REFUSED
from .searched import fixed, script, searched

Write = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "decisions.jsonl"


@pytest.fixture
def write(path: Path) -> Write:
    def written(*reports: Report, log_prompts: bool = False) -> list[dict[str, Any]]:
        decisions = Decisions(path, log_prompts=log_prompts)
        for report in reports:
            decisions.started()
            decisions.ended(report)
        decisions.close()
        assert decisions.dropped == 0
        return lines(path)

    return written


def lines(path: Path) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in path.read_bytes().splitlines()]


def test_a_record_holds_what_was_asked_found_and_spent(write: Write) -> None:
    report = searched(fixed("dvts", 8))
    (record,) = write(report)
    assert record["v"] == 1
    assert record["id"] == "req_1"
    assert record["time"] == "2026-09-21T14:13:20.000+00:00"
    assert (record["asked"]["samples"], record["granted"]["samples"]) == (32, 16)
    assert (record["policy"], record["seed"], record["key"]) == ("default", 1, "team-a")
    assert report.answer
    assert record["spent"]["compute"] == report.answer.spent.compute
    assert record["verdict"]["confidence"] == report.answer.verdict.confidence
    assert len(record["steps"]) == len(report.steps)
    assert len(record["calls"]) == len(report.calls)
    assert {call["port"] for call in record["calls"]} == {"measure", "generate", "score"}


def test_events_are_data_with_a_kind_and_a_time(write: Write) -> None:
    (record,) = write(searched(fixed("dvts", 8)))
    assert [step["kind"] for step in record["steps"]][:2] == ["planned", "sampled"]
    first = record["steps"][1]
    assert first == {"t": 0.04, "kind": "sampled", "path": first["path"], "tokens": 4, "finish": "step", "answer": None}
    assert record["steps"][-1]["kind"] == "answered"


def test_equal_answers_have_equal_letters_in_order_of_appearance(write: Write) -> None:
    report = searched(fixed("weighted_best_of_n", 8))
    (record,) = write(report)
    letters = [step["answer"] for step in record["steps"] if step["kind"] == "sampled"]
    assert letters == ["A", "B", "B", "A", "B", "B", "A", "B"]  # 42 and 42.0 are one answer
    assert record["verdict"]["answer"] == "B"
    assert [(vote["answer"], vote["count"]) for vote in record["verdict"]["votes"]] == [("B", 5), ("A", 3)]
    assert record["steps"][-1]["answer"] == "B"


def test_there_are_letters_for_more_answers_than_letters() -> None:
    letters = records.Letters()
    given = [letters.of(str(n)) for n in range(26 + 26 * 26 + 1)]
    assert [given[i] for i in (0, 25, 26, 27, 51, 52, 701, 702)] == ["A", "Z", "AA", "AB", "AZ", "BA", "ZZ", "AAA"]
    assert len(set(given)) == len(given)
    assert letters.of(None) is None


def test_neither_question_nor_answer_is_written_unless_told_to(write: Write) -> None:
    report = searched(generator=FakeGenerator(script, seconds=0.01, lose=1))
    echo = replace(report, cause="bad: CANARYQUESTION", steps=(*report.steps, Step(1.0, Lost(1, "no CANARYQUESTION"))))
    text = orjson.dumps(write(echo)).decode()
    assert "CANARY" not in text
    assert '"42' not in text
    assert '"messages"' not in text


def test_question_and_answers_are_written_where_prompts_may_be(write: Write) -> None:
    (record,) = write(searched(fixed("weighted_best_of_n", 8)), log_prompts=True)
    assert record["messages"] == [{"role": "user", "content": "CANARYQUESTION: how much is 40 and 2?"}]
    assert record["answers"] == {"A": "41", "B": "42.0"}
    assert "CANARYSTEP" in record["text"]
    assert record["verdict"]["answer"] == "B"


def test_a_failed_request_is_recorded_with_its_losses(write: Write) -> None:
    (record,) = write(searched(fixed("greedy", 1), generator=FakeGenerator(script, fail=True)), log_prompts=True)
    assert record["outcome"] == "generator"
    assert record["cause"] == "the fake was told to fail"
    assert record["steps"][1] == {"t": 0.0, "kind": "lost", "samples": 1, "reason": "the fake was told to fail"}
    assert record["calls"][-1]["failed"] == "GeneratorError"
    assert record["text"] is None
    assert "verdict" not in record


def test_a_reason_of_the_policy_is_told_even_where_the_question_has_its_words(write: Write) -> None:
    (record,) = write(searched(fixed("greedy", 1), question="who asked for the client?"))
    assert record["steps"][0]["reason"] == "asked for by the client"


def test_a_request_that_was_shed_is_recorded_and_one_that_asked_for_nothing_is_not(write: Write) -> None:
    shed = replace(REFUSED, outcome=Outcome.OVERLOADED, status=503, shed="queue_full", asked=ANSWERED.budget)
    (record,) = write(REFUSED, shed)
    assert (record["shed"], record["granted"], record["asked"]["samples"]) == ("queue_full", None, 16)


def test_every_member_of_every_event_is_known_to_be_harmless_or_treated() -> None:
    members = {field.name for event in get_args(Event) for field in fields(event)}
    assert members - records._AS_IT_IS == {"answer", "reason", "text"}


def test_a_text_with_half_a_character_is_written_all_the_same(path: Path) -> None:
    decisions = Decisions(path, log_prompts=True)
    decisions.ended(searched(fixed("greedy", 1), question="half a pair: \ud800"))
    decisions.close()
    (record,) = [json.loads(line) for line in path.read_bytes().splitlines()]
    assert record["messages"][0]["content"] == "half a pair: \ud800"


def test_only_the_owner_can_read_a_new_file(write: Write, path: Path) -> None:
    before = os.umask(0)
    try:
        write(ANSWERED)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_records_are_appended(write: Write) -> None:
    write(ANSWERED)
    assert len(write(ANSWERED)) == 2


def test_a_file_that_was_moved_away_is_opened_again(path: Path) -> None:
    decisions = Decisions(path)
    decisions.ended(ANSWERED)
    while not (path.exists() and path.stat().st_size):
        pass
    path.rename(path.with_suffix(".1"))
    decisions.ended(ANSWERED)
    decisions.close()
    assert len(lines(path)) == len(lines(path.with_suffix(".1"))) == 1


def test_configuring_the_logs_does_not_close_the_file(path: Path) -> None:
    decisions = Decisions(path)
    logging.config.dictConfig({"version": 1, "disable_existing_loggers": False})  # as uvicorn does: it closes handlers
    decisions.ended(ANSWERED)
    decisions.close()
    decisions.close()
    assert (len(lines(path)), decisions.dropped) == (1, 0)


def test_a_file_that_cannot_be_opened_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Decisions(tmp_path / "nowhere" / "decisions.jsonl")


def _append(path: Path, name: str) -> None:
    decisions = Decisions(path)
    big = replace(searched(fixed("majority_voting", 64), samples=64), request_id=name)
    for _ in range(100):
        decisions.ended(big)
    decisions.close(30)


def test_processes_that_share_a_file_do_not_tear_their_lines(path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    processes = [spawn.Process(target=_append, args=(path, name)) for name in ("a", "b")]
    for process in processes:
        process.start()
    for process in processes:
        process.join(50)
    found = lines(path)  # each of about 10 kB
    assert {name: sum(record["id"] == name for record in found) for name in "ab"} == {"a": 100, "b": 100}


FULL = """
import resource, signal, sys
from pathlib import Path
from server.observers.decisions import Decisions
from tests.server.observers.reports import ANSWERED
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
decisions = Decisions(Path(sys.argv[1]))
for _ in range(3):
    decisions.ended(ANSWERED)
while decisions.dropped < 2:
    pass
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
decisions.ended(ANSWERED)
decisions.close()
print(decisions.dropped)
"""


def test_a_full_disk_costs_records_and_no_line_after_it(write: Write, path: Path) -> None:
    write(ANSWERED)
    size = path.stat().st_size
    path.unlink()
    arguments = [sys.executable, "-c", FULL, str(path), str(size + size // 2)]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True, timeout=50)
    assert done.stdout == "2\n"
    assert "1 decision records were dropped: " in done.stderr
    whole = [line for line in path.read_bytes().splitlines() if line.endswith(b"}")]
    assert [orjson.loads(line)["id"] for line in whole] == ["req_1", "req_1"]


@pytest.fixture
def held() -> Iterator[tuple[Flag, list[int], Background[int]]]:
    """Something in the background that waits for a flag with its first item."""
    flag, handled = Flag(), list[int]()

    def handle(item: int) -> None:
        assert flag.wait(10)
        if item == 13:
            raise ValueError("CANARY")
        handled.append(item)

    background = Background[int]("numbers", handle, 3)
    yield flag, handled, background
    flag.set()
    background.close()


def test_what_does_not_fit_is_dropped_and_counted_and_nobody_waits(
    held: tuple[Flag, list[int], Background[int]], caplog: pytest.LogCaptureFixture
) -> None:
    flag, handled, background = held
    background.put(0)
    while background._queue.qsize():  # until the thread has taken it
        pass
    for item in range(1, 11):
        background.put(item)
    assert background.dropped == 7
    flag.set()
    assert background.close()
    assert handled == [0, 1, 2, 3]
    assert [record.getMessage() for record in caplog.records] == ["7 numbers were dropped: too many at once"]


def test_what_fails_is_dropped_and_the_next_is_handled(
    held: tuple[Flag, list[int], Background[int]], caplog: pytest.LogCaptureFixture
) -> None:
    flag, handled, background = held
    flag.set()
    background.put(13)
    background.put(2)
    assert background.close()
    assert (handled, background.dropped) == ([2], 1)
    (message,) = [record.getMessage() for record in caplog.records]
    assert message.startswith("1 numbers were dropped: ValueError (test_decisions.py, line ")
    assert caplog.records[0].levelno == logging.WARNING


def test_closing_takes_no_longer_than_it_may(held: tuple[Flag, list[int], Background[int]]) -> None:
    _, handled, background = held
    background.put(1)
    assert not background.close(0.05)
    background.put(2)
    assert (handled, background.dropped) == ([], 1)


def test_nothing_begun_is_closed_at_once() -> None:
    assert Background[int]("numbers", print, 1).close(0)
