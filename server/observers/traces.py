"""The trace that a request belongs to: what goes upstream with its calls, and what is told of it afterwards."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from server.report import Report, Trace

from .traceparent import read


class Tracing(Protocol):
    """Begins the trace of each request."""

    def begin(self, headers: Mapping[str, str], request_id: str) -> Trace:
        """Begin or continue a trace, as the `headers` of a request say. To be called on its arrival; never raises."""
        ...

    def close(self, seconds: float = 5.0) -> None:
        """Send what has not been sent, for `seconds` and one more. Blocks."""
        ...


@dataclass(frozen=True, slots=True)
class Passed:
    """A trace of which nothing is told here."""

    id: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])

    def ended(self, report: Report) -> None:
        """Tell nothing."""


class Untraced:
    """Without OpenTelemetry: a valid trace context of the client's goes upstream as it came."""

    def begin(self, headers: Mapping[str, str], request_id: str) -> Trace:
        """Return what passes the client's context on, if there is one."""
        caller = read(headers)
        return Passed(caller.trace, caller.headers) if caller else Passed()

    def close(self, seconds: float = 5.0) -> None:
        """There is nothing to send."""


def otlp(ratio: float, version: str) -> Tracing:
    """Return what sends traces to an OpenTelemetry collector: of those that begin here the share `ratio`.

    Raises ValueError where OpenTelemetry is not installed.
    """
    try:
        from .otlp import Traces
    except ImportError as missing:
        raise ValueError(f"traces need OpenTelemetry ({missing}): install cogitate[tracing]") from missing
    return Traces(ratio, version)
