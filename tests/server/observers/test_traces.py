import builtins
import logging
import socket
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from starlette.datastructures import Headers

from router.testing import FakeGenerator
from server.observers.otlp import Traces
from server.observers.traceparent import read
from server.observers.traces import Tracing, Untraced, otlp
from server.report import Outcome, Report

from .collector import Collector, collector
from .searched import fixed, script, searched

TRACE, CALLER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SAMPLED, UNSAMPLED = f"00-{TRACE}-{CALLER}-01", f"00-{TRACE}-{CALLER}-00"
WEIGHTED = searched(fixed("weighted_best_of_n", 8))


def made(ratio: float, headers: dict[str, str], *reports: Report) -> tuple[list[ReadableSpan], list[dict[str, str]]]:
    """Return the spans of requests with these headers, and what went upstream with each."""
    exporter = InMemorySpanExporter()
    traces, sent = Traces(ratio, "1.2.3", exporter), list[dict[str, str]]()
    for report in reports:
        trace = traces.begin(Headers(headers), report.request_id)
        sent.append(dict(trace.headers))
        trace.ended(replace(report, trace_id=trace.id))
    traces.close()
    return list(exporter.get_finished_spans()), sent


def hexadecimal(span: ReadableSpan) -> tuple[str, str]:
    assert span.context
    return f"{span.context.trace_id:032x}", f"{span.context.span_id:016x}"


def root(spans: list[ReadableSpan]) -> ReadableSpan:
    return next(span for span in spans if span.kind is SpanKind.SERVER)


# --- what comes in and goes out


@pytest.mark.parametrize("tracing", [Untraced(), pytest.param("otlp", id="otlp")])
def test_a_client_without_a_trace_has_none_upstream_unless_traces_are_on(tracing: Tracing | str) -> None:
    if isinstance(tracing, Untraced):
        trace = tracing.begin({}, "r")
        assert (trace.id, dict(trace.headers)) == (None, {})
    else:
        _, (sent,) = made(0.0, {}, WEIGHTED)
        version, trace_id, span_id, flags = sent["traceparent"].split("-")
        assert (version, len(trace_id), len(span_id), flags) == ("00", 32, 16, "00")


def test_without_traces_a_valid_context_goes_upstream_as_it_came() -> None:
    given = {"traceparent": SAMPLED, "tracestate": "a=1,b@c=x y"}
    trace = Untraced().begin(Headers(given), "r")
    assert (trace.id, dict(trace.headers)) == (TRACE, given)
    trace.ended(WEIGHTED)
    Untraced().close()


@pytest.mark.parametrize(
    "parent",
    [
        "",
        "nonsense",
        SAMPLED.upper(),
        SAMPLED + "-more",
        f"ff-{TRACE}-{CALLER}-01",
        f"00-{'0' * 32}-{CALLER}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE[:-1]}-{CALLER}-01",
        f"00-{TRACE}-{CALLER}-1",
        f"00-{TRACE}-{CALLER}-0g",
        f"cc-{TRACE}-{CALLER}-01.more",
        f"cc-{TRACE}-{CALLER}-01-" + "x" * 300,
        SAMPLED + "\n",
        SAMPLED.replace("4", "٤"),
    ],
)
def test_a_context_that_is_not_valid_is_none(parent: str) -> None:
    assert read({"traceparent": parent, "tracestate": "a=1"}) is None
    assert not Untraced().begin({"traceparent": parent}, "r").headers


def test_two_parents_are_none() -> None:
    twice = Headers(raw=[(b"traceparent", SAMPLED.encode()), (b"traceparent", SAMPLED.encode())])
    assert read(twice) is None


@pytest.mark.parametrize(("flags", "sent"), [("01", "01"), ("00", "00"), ("03", "01"), ("fe", "00")])
def test_of_a_later_version_only_what_is_understood_goes_on(flags: str, sent: str) -> None:
    found = read({"traceparent": f"cc-{TRACE}-{CALLER}-{flags}-later"})
    assert found
    assert (found.trace, found.sampled) == (TRACE, sent == "01")
    assert found.headers["traceparent"] == f"00-{TRACE}-{CALLER}-{sent}"


@pytest.mark.parametrize(
    ("state", "kept"),
    [
        ("a=1", "a=1"),
        ("a=1, b=2 ,,\tc=3", "a=1,b=2,c=3"),
        ("1tenant@sys=x", "1tenant@sys=x"),
        ("a=1,a=2", None),
        ("A=1", None),
        ("a", None),
        ("a=", None),
        ("a=b=c", None),
        ("a=\x01", None),
        ("a=é", None),
        (",".join(f"k{n}=1" for n in range(32)), ",".join(f"k{n}=1" for n in range(32))),
        (",".join(f"k{n}=1" for n in range(33)), None),
        ("a=" + "x" * 255 + ",b=" + "x" * 255, None),
        ("a=" + "x" * 257, None),
        ("", None),
    ],
)
def test_a_state_is_passed_on_where_it_is_valid_and_not_too_long(state: str, kept: str | None) -> None:
    found = read({"traceparent": SAMPLED, "tracestate": state})
    assert found
    assert found.headers == {"traceparent": SAMPLED} | ({"tracestate": kept} if kept else {})


def test_states_of_several_headers_are_one() -> None:
    lines = [(b"traceparent", SAMPLED.encode()), (b"tracestate", b"a=1"), (b"tracestate", b"b=2")]
    found = read(Headers(raw=lines))
    assert found
    assert found.state == (("a", "1"), ("b", "2"))


# --- who decides


@pytest.mark.parametrize(
    ("ratio", "parent", "sampled"),
    [(0.0, None, False), (1.0, None, True), (0.0, SAMPLED, True), (1.0, UNSAMPLED, False)],
)
def test_a_caller_decides_and_without_one_the_ratio(ratio: float, parent: str | None, sampled: bool) -> None:
    spans, (sent,) = made(ratio, {"traceparent": parent} if parent else {}, WEIGHTED)
    assert bool(spans) == sampled
    assert sent["traceparent"].endswith("-01" if sampled else "-00")
    assert (TRACE in sent["traceparent"]) == bool(parent)


def test_about_the_asked_share_is_traced() -> None:
    spans, _ = made(0.25, {}, *[replace(WEIGHTED, steps=(), calls=())] * 400)
    assert 60 < len(spans) < 140  # six standard deviations


def test_a_trace_is_continued_below_its_caller() -> None:
    spans, (sent,) = made(0.0, {"traceparent": SAMPLED, "tracestate": "a=1"}, WEIGHTED)
    top = root(spans)
    assert top.parent
    assert (f"{top.parent.span_id:016x}", top.parent.is_remote) == (CALLER, True)
    assert {hexadecimal(span)[0] for span in spans} == {TRACE}
    assert sent == {"traceparent": f"00-{TRACE}-{hexadecimal(top)[1]}-01", "tracestate": "a=1"}


def test_what_the_process_is_doing_besides_is_no_parent() -> None:
    from opentelemetry.sdk.trace import TracerProvider

    with TracerProvider(shutdown_on_exit=False).get_tracer("other").start_as_current_span("other"):
        spans, _ = made(1.0, {}, WEIGHTED)
    assert root(spans).parent is None


# --- what is told


def test_the_spans_of_a_request_have_its_times_and_lie_below_it() -> None:
    spans, _ = made(1.0, {}, WEIGHTED)
    top, by_id = root(spans), {hexadecimal(span)[1]: span for span in spans}
    assert top.name == "invoke_workflow cogitate"
    assert top.start_time is not None
    assert top.end_time == top.start_time + 112_000_000
    assert sorted(span.name for span in spans) == sorted(
        ["invoke_workflow cogitate", "measure", "plan", "round", "chat math", "score", "plan", "aggregate"]
    )
    above = {span.name: by_id[f"{span.parent.span_id:016x}"].name for span in spans if span.parent}
    assert above["chat math"] == above["score"] == "round"
    assert above["round"] == above["aggregate"] == above["plan"] == top.name
    chat = next(span for span in spans if span.name == "chat math")
    assert chat.kind is SpanKind.CLIENT
    assert chat.end_time == top.start_time + 110_000_000
    assert all(type(value) in {str, int, float, bool} for span in spans for value in (span.attributes or {}).values())


@pytest.mark.parametrize(
    ("status", "code"), [(200, StatusCode.UNSET), (400, StatusCode.UNSET), (502, StatusCode.ERROR)]
)
def test_a_fault_of_the_server_is_an_error(status: int, code: StatusCode) -> None:
    spans, _ = made(1.0, {}, replace(WEIGHTED, status=status, outcome=Outcome.GENERATOR))
    assert root(spans).status.status_code is code


def test_a_call_that_failed_is_an_error_in_one_word() -> None:
    spans, _ = made(1.0, {}, searched(fixed("greedy", 1), generator=FakeGenerator(script, fail=True)))
    failed = next(span for span in spans if span.name == "chat math")
    assert (failed.status.status_code, failed.status.description) == (StatusCode.ERROR, "GeneratorError")


def test_no_attribute_is_longer_than_it_may_be() -> None:
    spans, _ = made(1.0, {}, replace(WEIGHTED, model="m" * 1000))
    assert len(str((root(spans).attributes or {})["gen_ai.request.model"])) == 256


# --- to a collector


@pytest.fixture
def there(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    with collector() as listening:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", listening.url)
        yield listening


def attributes_of(span: Span) -> dict[str, Any]:
    return {a.key: getattr(a.value, str(a.value.WhichOneof("value"))) for a in span.attributes}


def test_a_collector_gets_every_span_before_the_end(there: Collector) -> None:
    traces = otlp(1.0, "1.2.3")
    trace = traces.begin({}, "req_1")
    trace.ended(WEIGHTED)
    traces.close()
    assert {span.trace_id.hex() for span in there.spans} == {trace.id}
    (top,) = [span for span in there.spans if not span.parent_span_id]
    assert trace.headers["traceparent"] == f"00-{top.trace_id.hex()}-{top.span_id.hex()}-01"
    assert attributes_of(top)["cogitate.request_id"] == "req_1"
    assert attributes_of(top)["gen_ai.usage.output_tokens"] == 88
    assert (there.resource["service.name"], there.resource["service.version"]) == ("cogitate", "1.2.3")


def test_the_operator_names_the_service(there: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "service.name=ours,deployment.environment.name=test")
    traces = otlp(1.0, "1")
    traces.begin({}, "r").ended(WEIGHTED)
    traces.close()
    assert (there.resource["service.name"], there.resource["deployment.environment.name"]) == ("ours", "test")


def test_nothing_secret_is_sent(there: Collector) -> None:
    asked = Headers({"authorization": "Bearer CANARYTOKEN", "traceparent": SAMPLED})
    traces = otlp(1.0, "1")
    for report in (WEIGHTED, searched(generator=FakeGenerator(script, fail=True))):
        traces.begin(asked, "r").ended(replace(report, cause="CANARYCAUSE"))
    traces.close()
    assert there.spans
    assert not [body for body in there.bodies if b"CANARY" in body]


def test_an_unsampled_request_sends_nothing(there: Collector) -> None:
    traces = otlp(0.0, "1")
    traces.begin({}, "r").ended(WEIGHTED)
    traces.close()
    assert not there.bodies


def test_a_collector_that_is_down_costs_a_line_and_a_bounded_end(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: every connection is refused
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{taken.getsockname()[1]}")
        traces = otlp(1.0, "1")
        for _ in range(600):  # more than one batch
            traces.begin({}, "r").ended(replace(WEIGHTED, steps=(), calls=()))
        traces.close(0.4)
    told = [record for record in caplog.records if record.name.startswith("opentelemetry")]
    assert len(told) == 1
    assert "Connection refused" in told[0].getMessage()
    assert [r.getMessage() for r in caplog.records if r.name == "server.observers.otlp"] == [
        "the last traces were not sent: the collector did not take them in time"
    ]
    assert not logging.getLogger("opentelemetry.exporter.otlp.proto.http.trace_exporter").filters


def test_a_collector_that_never_replies_does_not_hold_up_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "3")
        traces = otlp(1.0, "1")
        traces.begin({}, "r").ended(WEIGHTED)
        start = time.monotonic()
        traces.close(0.1)
        assert time.monotonic() - start < 2.5


def test_traces_that_are_switched_off_where_opentelemetry_is_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    spans, (sent,) = made(1.0, {}, WEIGHTED)
    assert (spans, sent) == ([], {})


def test_traces_without_opentelemetry_are_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def missing(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.startswith("opentelemetry"):
            raise ImportError(f"No module named '{name}'")
        return real(name, *args, **kwargs)

    monkeypatch.delitem(sys.modules, "server.observers.otlp", raising=False)
    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(ValueError, match=r"install cogitate\[tracing\]"):
        otlp(1.0, "1")


def test_without_traces_nothing_of_opentelemetry_is_loaded() -> None:
    import subprocess

    code = "import server.observers.traces, sys; print([m for m in sys.modules if m.startswith('opentelemetry')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout == "[]\n"
