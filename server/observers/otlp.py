"""Traces sent to an OpenTelemetry collector over OTLP/HTTP. Needs the extra `tracing`.

Where to is OpenTelemetry's own setting (OTEL_EXPORTER_OTLP_ENDPOINT and its like). Nothing global is set up.
"""

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from threading import Thread

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio
from opentelemetry.trace import (
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    TraceState,
    format_span_id,
    format_trace_id,
    set_span_in_context,
)

from server.report import Report, Trace

from .background import Background
from .spans import ROOT, attributes, spans
from .spans import Span as Part
from .traceparent import PARENT, STATE, TraceContext, read
from .traces import Passed

_log = logging.getLogger(__name__)

_WAITING = 500
_LONGEST = 256
"""Characters of an attribute."""

_SELDOM = 60.0
"""Seconds between two lines about a collector that does not answer."""

_LAST = 1.0
"""Seconds that an exporter gets to notice that it is to stop."""

_EXPORTING = ("opentelemetry.exporter.otlp.proto.http.trace_exporter", "opentelemetry.sdk._shared_internal")
_SERVER_FAULT = 500


class Traces:
    """Traces of the share `ratio` of the requests; where a caller has decided, as it did.

    A request that is not sampled costs no more than the ids that go upstream. The spans of the others are made when
    they have ended, in a thread, and sent from another. `exporter` is where to, in place of a collector.
    """

    def __init__(self, ratio: float, version: str, exporter: SpanExporter | None = None) -> None:
        self._exporter = exporter or OTLPSpanExporter()
        named = Resource.create({"service.name": "cogitate", "service.version": version})
        self._provider = TracerProvider(
            sampler=ParentBasedTraceIdRatio(ratio),
            resource=named.merge(OTELResourceDetector().detect()),  # what the operator names it has the last word
            shutdown_on_exit=False,
            span_limits=SpanLimits(max_attribute_length=_LONGEST),
        )
        self._provider.add_span_processor(BatchSpanProcessor(self._exporter))
        self._tracer = self._provider.get_tracer("cogitate", version)
        self._background = Background[tuple[Span, Report]]("traces", self._write, _WAITING)
        self._filter = _Seldom()
        for name in _EXPORTING:
            logging.getLogger(name).addFilter(self._filter)

    def begin(self, headers: Mapping[str, str], request_id: str) -> Trace:
        """Begin the request's own span, in the trace of its caller's if there is one."""
        caller = read(headers)
        span = self._tracer.start_span(ROOT, _context(caller), kind=SpanKind.SERVER)
        context = span.get_span_context()
        if not context.is_valid:  # switched off by OTEL_SDK_DISABLED
            return Passed()
        trace = format_trace_id(context.trace_id)
        passed = {
            PARENT: f"00-{trace}-{format_span_id(context.span_id)}-{context.trace_flags & TraceFlags.SAMPLED:02x}"
        }
        if caller and STATE in caller.headers:
            passed[STATE] = caller.headers[STATE]
        return _Sampled(trace, passed, span, self._background) if span.is_recording() else Passed(trace, passed)

    def close(self, seconds: float = 5.0) -> None:
        """Send what has not been sent, for `seconds` and one more; tell if that was not enough. Blocks."""
        made = self._background.close(seconds / 2)
        ending = Thread(target=self._provider.shutdown, name="cogitate last traces", daemon=True)
        ending.start()
        ending.join(seconds / 2)
        if not made or ending.is_alive():
            _log.warning("the last traces were not sent: the collector did not take them in time")
            self._exporter.shutdown()  # which ends its attempts, all but one that waits for a reply
            ending.join(_LAST)
        for name in _EXPORTING:
            logging.getLogger(name).removeFilter(self._filter)

    def _write(self, item: tuple[Span, Report]) -> None:
        span, report = item
        zero = int(getattr(span, "start_time", 0))
        span.set_attributes(attributes(report))
        for part in spans(report):
            self._child(span, zero, part)
        if report.status >= _SERVER_FAULT:
            span.set_status(StatusCode.ERROR)
        span.end(zero + _nanoseconds(report.seconds))

    def _child(self, parent: Span, zero: int, part: Part) -> None:
        span = self._tracer.start_span(
            part.name,
            set_span_in_context(parent, Context()),
            SpanKind.CLIENT if part.call else SpanKind.INTERNAL,
            {name: value for name, value in part.attributes.items() if value is not None},
            start_time=zero + _nanoseconds(part.start),
        )
        for child in part.children:
            self._child(span, zero, child)
        if part.error:
            span.set_status(Status(StatusCode.ERROR, part.error))
        span.end(zero + _nanoseconds(part.end))


@dataclass(frozen=True, slots=True)
class _Sampled:
    """The trace of a request whose spans are sent."""

    id: str
    headers: dict[str, str]
    span: Span
    background: Background[tuple[Span, Report]]

    def ended(self, report: Report) -> None:
        """Have its spans made, soon."""
        self.background.put((self.span, report))


class _Seldom(logging.Filter):
    """Lets one line through a minute: an exporter tells of each attempt."""

    def __init__(self) -> None:
        super().__init__()
        self._quiet_until = 0.0

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether it is time for a line."""
        del record
        now = time.monotonic()
        if now < self._quiet_until:
            return False
        self._quiet_until = now + _SELDOM
        return True


def _context(caller: TraceContext | None) -> Context:
    if caller is None:
        return Context()
    parent = SpanContext(
        int(caller.trace, 16),
        int(caller.span, 16),
        is_remote=True,
        trace_flags=TraceFlags(TraceFlags.SAMPLED if caller.sampled else TraceFlags.DEFAULT),
        trace_state=TraceState(list(caller.state)),
    )
    return set_span_in_context(NonRecordingSpan(parent), Context())


def _nanoseconds(seconds: float) -> int:
    return round(seconds * 1e9)
