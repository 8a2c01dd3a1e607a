"""What the scoring service counts, for Prometheus, in a registry of its own. Labels take few values."""

from enum import StrEnum

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_ITEMS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
_TOKENS = tuple(4**k for k in range(2, 11))


class Outcome(StrEnum):
    """How a request ended."""

    ANSWERED = "answered"
    INVALID = "invalid"
    OVERLOADED = "overloaded"
    CANCELLED = "cancelled"
    MODEL = "model"
    INTERNAL = "internal"


class Metrics:
    """Counts requests, batches and tokens. It is the batcher's `Watch`."""

    content_type = CONTENT_TYPE_LATEST

    def __init__(self, version: str) -> None:
        self._registry = CollectorRegistry()
        r = self._registry
        ProcessCollector(registry=r)
        Gauge("cogitate_prm_build_info", "Always 1.", ["version"], registry=r).labels(version).set(1)
        self._running = Gauge("cogitate_prm_requests_in_flight", "Requests being served.", registry=r)
        self._requests = Counter("cogitate_prm_requests", "Requests that have ended.", ["outcome"], registry=r)
        for outcome in Outcome:
            self._requests.labels(outcome.value)  # a rate needs the zero that was before the first
        self._duration = Histogram(
            "cogitate_prm_request_duration_seconds",
            "From arrival to end, of requests that were answered.",
            buckets=_SECONDS,
            registry=r,
        )
        self._items = Counter("cogitate_prm_items", "Items judged, and those that could not be.", ["ok"], registry=r)
        self._total = Counter(
            "cogitate_prm_tokens", "Tokens of what was judged: what a scorer without memory computes.", registry=r
        )
        self._computed = Counter("cogitate_prm_computed_tokens", "Tokens that were computed for it.", registry=r)
        self._queue_items = Gauge("cogitate_prm_queue_items", "Passages that wait.", registry=r)
        self._queue_tokens = Gauge("cogitate_prm_queue_tokens", "Tokens that wait.", registry=r)
        self._waited = Histogram(
            "cogitate_prm_queue_wait_seconds", "Wait of a batch's oldest passage.", buckets=_SECONDS, registry=r
        )
        self._batch_items = Histogram("cogitate_prm_batch_items", "Passages in a batch.", buckets=_ITEMS, registry=r)
        self._batch_tokens = Histogram("cogitate_prm_batch_tokens", "Tokens in a batch.", buckets=_TOKENS, registry=r)
        self._batch_seconds = Histogram(
            "cogitate_prm_batch_duration_seconds", "Reading a batch.", buckets=_SECONDS, registry=r
        )
        self._failures = Counter("cogitate_prm_batch_failures", "Batches the model could not read.", registry=r)

    def started(self) -> None:
        """Count a request in."""
        self._running.inc()

    def ended(self, outcome: Outcome, seconds: float) -> None:
        """Count it out."""
        self._running.dec()
        self._requests.labels(outcome.value).inc()
        if outcome is Outcome.ANSWERED:
            self._duration.observe(seconds)

    def judged(self, items: int, faults: int, total: int, computed: int) -> None:
        """Count the items of an answered request: those with rewards, those without, and their tokens."""
        self._items.labels("true").inc(items)
        self._items.labels("false").inc(faults)
        self._total.inc(total)
        self._computed.inc(computed)

    def queued(self, items: int, tokens: int) -> None:
        """Show how many passages wait, and their tokens."""
        self._queue_items.set(items)
        self._queue_tokens.set(tokens)

    def read(self, items: int, tokens: int, waited: float, seconds: float) -> None:
        """Count a batch that has been read."""
        self._batch_items.observe(items)
        self._batch_tokens.observe(tokens)
        self._waited.observe(waited)
        self._batch_seconds.observe(seconds)

    def failed(self) -> None:
        """Count a batch that could not be read."""
        self._failures.inc()

    def exposed(self) -> bytes:
        """Return everything in Prometheus's text format."""
        return generate_latest(self._registry)
