"""The door: how full the server is, who waits, who is turned away."""

from server.report import Report

from .buckets import WAITS
from .catalogue import Catalogue
from .labels import SHED


class Door:
    """What waits and what is refused; how much is under way is looked at from time to time."""

    def __init__(self, catalogue: Catalogue) -> None:
        c = catalogue
        self._load = c.gauge("cogitate_samples_in_flight", "Samples expected to be under way.", "livesum").at()
        self._capacity = c.gauge("cogitate_capacity_samples", "Samples that may be under way.", "livesum").at()
        self._queue = c.gauge("cogitate_queue_requests", "Requests that wait for their turn.", "livesum").at()
        self._waited = c.histogram(
            "cogitate_queue_wait_seconds", "Wait for one's turn, of requests that were let in.", WAITS
        ).at()
        self._shed = c.counter("cogitate_shed_total", "Requests turned away for what they would take.", SHED)

    def ended(self, report: Report) -> None:
        """Count how a request got past the door, or did not."""
        if report.budget is not None:
            self._waited.observe(report.queued)
        if report.shed is not None:
            self._shed.at(report.shed).inc()

    def seen(self, *, load: float, waiting: int, capacity: float) -> None:
        """Show how full it is now: samples under way, requests that wait, samples that may be under way."""
        self._load.set(load)
        self._queue.set(waiting)
        self._capacity.set(capacity)
