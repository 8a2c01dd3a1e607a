"""How metrics are declared, and how they are written out: for one process, or for all workers together.

With PROMETHEUS_MULTIPROC_DIR set before this is imported, prometheus-client keeps all values in files in that folder,
and any worker exposes the sum of all. The mode of a gauge says what is made of the workers' values.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Generic, Literal, TypeVar

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    multiprocess,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from .labels import Label

CONTENT_TYPE = CONTENT_TYPE_LATEST

SHARED = "PROMETHEUS_MULTIPROC_DIR" in os.environ
"""Whether all workers' values are in files. prometheus-client has made up its mind when it is imported, too."""

Mode = Literal["livesum", "livemax", "livemin"]
"""What is made of the workers' values; all modes forget those of a worker that has died."""

M = TypeVar("M", Counter, Gauge, Histogram)


@dataclass(frozen=True, slots=True)
class Declared:
    """A metric as it is documented."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    labels: tuple[str, ...]


class Labelled(Generic[M]):
    """A metric with labels. Each combination is bound once, and found in one look-up from then on."""

    def __init__(self, metric: M, labels: Sequence[Label]) -> None:
        self._metric, self._labels = metric, labels
        self._bound: dict[tuple[str, ...], M] = {}

    def at(self, *values: str) -> M:
        """Return the child for these values of the labels."""
        child = self._bound.get(values)
        return self._bind(values) if child is None else child

    def _bind(self, values: tuple[str, ...]) -> M:
        # Only known values are kept: what is not known must not make this grow.
        known = tuple(label.of(value) for label, value in zip(self._labels, values, strict=True))
        if known not in self._bound:
            self._bound[known] = self._metric.labels(*known) if known else self._metric
        return self._bound[known]

    def zeros(self) -> None:
        """Create all known combinations: a rate needs the zero that was before the first."""
        for values in product(*(label.values for label in self._labels)):
            self.at(*values)


class Catalogue:
    """The metrics of one server, in a registry of their own."""

    def __init__(self) -> None:
        disable_created_metrics()  # with several workers there are none, and with one nobody needs them
        self._registry = CollectorRegistry()
        self._zeros: list[Callable[[], None]] = []
        self.declared: list[Declared] = []
        """All of them, in the order of their declaration."""
        if not SHARED:
            ProcessCollector(registry=self._registry)  # of one worker among many it would say nothing

    def counter(self, name: str, text: str, *labels: Label) -> Labelled[Counter]:
        """Declare a counter; `name` ends in `_total`."""
        names = self._noted(name, "counter", labels)
        metric = Labelled(Counter(name, text, names, registry=self._registry), labels)
        self._zeros.append(metric.zeros)
        return metric

    def histogram(self, name: str, text: str, bounds: Sequence[float], *labels: Label) -> Labelled[Histogram]:
        """Declare a histogram with these upper bounds."""
        names = self._noted(name, "histogram", labels)
        metric = Labelled(Histogram(name, text, names, buckets=bounds, registry=self._registry), labels)
        self._zeros.append(metric.zeros)
        return metric

    def gauge(self, name: str, text: str, mode: Mode, *labels: Label) -> Labelled[Gauge]:
        """Declare a gauge. Only what has been set is shown."""
        names = self._noted(name, "gauge", labels)
        return Labelled(Gauge(name, text, names, multiprocess_mode=mode, registry=self._registry), labels)

    def zeros(self) -> None:
        """Create what is known by now of all counters and histograms."""
        for create in self._zeros:
            create()

    def exposed(self) -> bytes:
        """Return everything in Prometheus's text format, over all workers where there are several."""
        if not SHARED:
            return generate_latest(self._registry)
        everyone = CollectorRegistry()
        multiprocess.MultiProcessCollector(everyone)
        return generate_latest(everyone)

    def _noted(self, name: str, kind: Literal["counter", "gauge", "histogram"], labels: Sequence[Label]) -> list[str]:
        names = [label.name for label in labels]
        self.declared.append(Declared(name, kind, tuple(names)))
        return names
