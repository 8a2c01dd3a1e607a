"""Requests: how many, how they end, how long they take, and how much of it is the gateway's own."""

from server.report import Outcome, Report

from .buckets import OVERHEAD, SECONDS
from .catalogue import Catalogue
from .labels import OUTCOME, STREAM, Label

_NAMELESS = (Outcome.INVALID, Outcome.REFUSED, Outcome.OVERLOADED)
"""How requests end of which no model is known."""


class Requests:
    """Every request that has ended, whether or not it got as far as a search."""

    def __init__(self, catalogue: Catalogue, model: Label) -> None:
        c = catalogue
        self._running = c.gauge("cogitate_requests_in_flight", "Chat requests being served.", "livesum").at()
        self._requests = c.counter("cogitate_requests_total", "Chat requests that have ended.", model, OUTCOME, STREAM)
        for outcome in _NAMELESS:
            self._requests.at("", outcome, "false")
        self._seconds = c.histogram(
            "cogitate_request_duration_seconds", "From arrival to end.", SECONDS, model, OUTCOME
        )
        self._first = c.histogram(
            "cogitate_time_to_first_token_seconds",
            "From arrival to the first piece of the answer, streams only.",
            SECONDS,
            model,
        )
        self._overhead = c.histogram(
            "cogitate_gateway_overhead_seconds",
            "Answered requests: time in which nothing was waited for, neither models nor one's turn.",
            OVERHEAD,
            model,
        )
        self._upstream = c.histogram(
            "cogitate_upstream_wait_seconds", "Answered requests: time spent waiting for models.", SECONDS, model
        )

    def started(self) -> None:
        """Count a request in."""
        self._running.inc()

    def ended(self, report: Report, model: str) -> None:
        """Count it out."""
        self._running.dec()
        self._requests.at(model, report.outcome, "true" if report.stream else "false").inc()
        self._seconds.at(model, report.outcome).observe(report.seconds)
        if report.first_token is not None:
            self._first.at(model).observe(report.first_token)
        if report.outcome is Outcome.ANSWERED:
            self._overhead.at(model).observe(max(0.0, report.seconds - report.upstream - report.queued))
            self._upstream.at(model).observe(report.upstream)
