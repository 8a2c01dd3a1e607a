"""A real process, on the embedded models: what it sends, writes and logs of requests that hold secrets."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from .collector import Collector, collector

TRACE, CALLER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
QUESTION = "CANARYPROMPT Use 16, 3, 11 to make 81."


@dataclass
class Ran:
    """What is left of a process that has ended."""

    traced: Collector
    log: list[bytes]
    records: list[dict[str, Any]]
    replies: list[httpx.Response] = field(default_factory=list[httpx.Response])


@contextmanager
def serving(environment: dict[str, str], log: Path) -> Iterator[httpx.Client]:
    """Serve until the end of the block, then stop as an operator would."""
    command = [sys.executable, "-m", "server", "serve", "--port", "0"]
    with log.open("wb") as errors:
        process = subprocess.Popen(
            command, env=os.environ | environment, stdout=subprocess.PIPE, stderr=errors, text=True
        )
    with process:
        try:
            assert process.stdout
            url = next(line.split()[3] for line in process.stdout if "answers at" in line)
            with httpx.Client(base_url=url, timeout=30) as client:
                while client.get("/ready").status_code != 200:
                    pass
                yield client
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=30)
    assert process.returncode in {0, -signal.SIGTERM}


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    folder = tmp_path_factory.mktemp("ran")
    decisions, log = folder / "decisions.jsonl", folder / "log"
    secret = {"authorization": "Bearer CANARYTOKEN", "x-api-key": "CANARYTOKEN", "cookie": "a=CANARYTOKEN"}
    asked = {"messages": [{"role": "user", "content": QUESTION}]}
    with collector() as traced:
        environment = {
            "COGITATE_TRACES": "otlp",
            "COGITATE_TRACE_RATIO": "0",
            "OTEL_EXPORTER_OTLP_ENDPOINT": traced.url,
            "COGITATE_LOG_FORMAT": "json",
            "COGITATE_LOG_LEVEL": "debug",
            "COGITATE_DECISIONS": str(decisions),
        }
        with serving(environment, log) as client:
            parent = {"traceparent": f"00-{TRACE}-{CALLER}-01"}
            requests = (
                ({"x-compute-budget": "samples=8, strategy=weighted_best_of_n"} | parent, asked),
                ({"x-compute-budget": "samples=4"}, asked),
                ({}, asked | {"model": "CANARYPROMPT\n"}),
                ({}, asked | {"temperature": "CANARYPROMPT"}),
            )
            replies = [client.post("/v1/chat/completions", headers=secret | h, json=j) for h, j in requests]
    return Ran(traced, log.read_bytes().splitlines(), _read(decisions), replies)


def _read(path: Path) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in path.read_bytes().splitlines()]


def test_requests_are_answered_meanwhile(ran: Ran) -> None:
    assert [reply.status_code for reply in ran.replies][:2] == [200, 200]
    assert all(400 <= reply.status_code < 500 for reply in ran.replies[2:])


def test_no_token_prompt_or_answer_is_in_a_span_or_a_record(ran: Ran) -> None:
    assert ran.traced.bodies
    assert len(ran.records) == 2
    assert not [body for body in ran.traced.bodies if b"CANARY" in body]
    assert b"CANARY" not in orjson.dumps(ran.records)
    text = ran.replies[0].json()["choices"][0]["message"]["content"]
    assert text.encode() not in orjson.dumps(ran.records)


def test_no_token_and_no_question_is_in_the_log(ran: Ran) -> None:
    log = b"\n".join(ran.log)
    assert b"CANARYTOKEN" not in log
    assert b"make 81" not in log


def test_every_line_of_the_log_is_json(ran: Ran) -> None:
    lines = [orjson.loads(line) for line in ran.log]
    requests = [line for line in lines if line["logger"] == "cogitate.requests"]
    assert [line["outcome"] for line in requests] == ["answered", "answered", "invalid", "invalid"]
    assert requests[0]["trace_id"] == TRACE


def test_the_search_is_one_tree_below_its_caller(ran: Ran) -> None:
    spans = ran.traced.spans
    assert {span.trace_id.hex() for span in spans} == {TRACE}  # the others were not sampled
    (top,) = [span for span in spans if span.parent_span_id.hex() == CALLER]
    by_id = {span.span_id: span for span in spans}
    assert all(span.parent_span_id in by_id for span in spans if span is not top)
    assert {"measure", "plan", "round", "chat cogitate-embedded", "score", "aggregate"} <= {s.name for s in spans}
    inside = [(span, by_id[span.parent_span_id]) for span in spans if span is not top]
    assert not [span.name for span, above in inside if not _within(span, above)]


def _within(span: Span, above: Span) -> bool:
    rounding = 1_000  # nanoseconds
    return (
        above.start_time_unix_nano - rounding
        <= span.start_time_unix_nano
        <= span.end_time_unix_nano
        <= above.end_time_unix_nano + rounding
    )


def test_the_reply_the_log_the_record_and_the_span_agree(ran: Ran) -> None:
    compute = ran.replies[0].json()["compute"]
    line = next(orjson.loads(text) for text in ran.log if b'"cogitate.requests"' in text)
    top = next(span for span in ran.traced.spans if span.parent_span_id.hex() == CALLER)
    told = {a.key: a.value for a in top.attributes}
    record = ran.records[0]
    assert (
        line["id"] == record["id"] == told["cogitate.request_id"].string_value == ran.replies[0].headers["x-request-id"]
    )
    assert line["tokens"] == record["spent"]["tokens"] == told["gen_ai.usage.output_tokens"].int_value
    assert line["samples"] == record["spent"]["samples"] == told["cogitate.samples"].int_value == compute["samples"]
