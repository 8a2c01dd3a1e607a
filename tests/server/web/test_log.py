import io
import json
import logging
import subprocess
import sys
from typing import Any

import pytest

from server.web.log import Fields, Form, formatter, printable

FORGED = "nothing\n2026-01-01 00:00:00,000 INFO cogitate.requests id=forged \x1b[2K\x9b1A\u2028\u202e"


class Written:
    """A logger of one's own, and what it has written."""

    def __init__(self, form: Form) -> None:
        self.stream = io.StringIO()
        handler = logging.StreamHandler(self.stream)
        handler.setFormatter(formatter(form))
        self.log = logging.Logger("cogitate.tested")  # noqa: LOG001 - on its own: no other handler hears of it
        self.log.addHandler(handler)

    @property
    def text(self) -> str:
        return self.stream.getvalue()

    @property
    def objects(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text.splitlines()]


@pytest.fixture
def text() -> Written:
    return Written("text")


@pytest.fixture
def as_json() -> Written:
    return Written("json")


def fail(message: str) -> None:
    raise RuntimeError(message)


def test_a_line_of_text_is_as_it_always_was(text: Written) -> None:
    text.log.warning("a %s", "word")
    assert text.text.endswith(" WARNING cogitate.tested a word\n")


def test_a_line_of_json_has_time_level_logger_and_message(as_json: Written) -> None:
    as_json.log.warning("a %s", "word")
    (line,) = as_json.objects
    assert line.pop("time").endswith("+00:00")
    assert line == {"level": "warning", "logger": "cogitate.tested", "message": "a word"}


def test_fields_are_members_of_their_own_types(as_json: Written) -> None:
    as_json.log.info(Fields("request", {"id": "a b", "samples": 3, "seconds": 0.5, "degraded": False, "key": None}))
    (line,) = as_json.objects
    assert line["message"] == "request"
    assert {n: line[n] for n in ("id", "samples", "seconds", "degraded")} == {
        "id": "a b",
        "samples": 3,
        "seconds": 0.5,
        "degraded": False,
    }
    assert "key" not in line


def test_no_field_replaces_what_every_line_has(as_json: Written) -> None:
    as_json.log.info(Fields("request", {"level": "critical", "message": "forged"}))
    assert as_json.objects[0]["level"] == "info"
    assert as_json.objects[0]["message"] == "request"


def test_fields_are_pairs_in_a_line_of_text(text: Written) -> None:
    text.log.info(
        Fields("request", {"id": "r", "model": "a b", "odd": 'x="1"', "empty": "", "samples": 3, "key": None})
    )
    assert text.text.endswith(' id=r model="a b" odd="x=\\"1\\"" empty="" samples=3\n')


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize("message", [FORGED, Fields("request", {"model": FORGED})])
def test_no_message_begins_a_line_of_its_own(form: Form, message: Any) -> None:
    written = Written(form)
    written.log.info(message)
    assert len(written.text.splitlines()) == 1  # which also ends lines at U+2028 and at other separators
    assert written.text[:-1].isprintable()


@pytest.mark.parametrize("form", ["text", "json"])
def test_the_message_of_an_exception_begins_no_line(form: Form) -> None:
    written = Written(form)
    try:
        fail(FORGED)
    except RuntimeError:
        written.log.exception("it failed")
    first, *others = written.text.splitlines()
    assert "it failed" in first
    assert all(line.startswith("  ") for line in others)
    assert (form == "json") == (not others)


def test_an_exception_is_a_bounded_string_that_keeps_its_end(as_json: Written) -> None:
    try:
        fail("x" * 100_000 + " the end")
    except RuntimeError:
        as_json.log.exception("it failed")
    (line,) = as_json.objects
    assert line["exception"].startswith("…")
    assert line["exception"].endswith("the end")
    assert len(line["exception"]) < 10_000


def test_a_bounded_traceback_in_text_is_still_a_traceback(text: Written) -> None:
    try:
        fail("short")
    except RuntimeError:
        text.log.exception("it failed")
    assert text.text.splitlines()[-1] == "  RuntimeError: short"


def test_half_a_character_harms_no_line(as_json: Written) -> None:
    as_json.log.info("half a pair: \ud800")
    assert as_json.objects[0]["message"] == "half a pair: \ud800"


def test_what_is_printable_is_left_alone() -> None:
    assert printable("é 漢 42") == "é 漢 42"
    assert printable("a\tb\r\nc\x7f") == "a\\tb\\r\\nc\\x7f"


PROCESS = """
import logging, sys, threading, warnings
from server.web.process import start_log
start_log("info", "json")
logging.getLogger("uvicorn.error").info("from a library")
warnings.warn("from python")
thread = threading.Thread(target=lambda: 1 / 0)
thread.start()
thread.join()
sys.exit() if len(sys.argv) > 1 else None
raise KeyError("a\\nb")
"""


def test_every_line_of_a_process_is_json_whatever_wrote_it() -> None:
    done = subprocess.run([sys.executable, "-c", PROCESS], capture_output=True, text=True, check=False, timeout=30)
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert [line["logger"] for line in lines] == ["uvicorn.error", "py.warnings", "cogitate", "cogitate"]
    assert "ZeroDivisionError" in lines[2]["exception"]
    assert lines[3]["level"] == "critical"
    assert "KeyError" in lines[3]["exception"]
    assert done.returncode == 1
