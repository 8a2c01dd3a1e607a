"""Replicas: how they are, who was taken out, what was tried again."""

from collections.abc import Mapping

from prometheus_client import Counter, Gauge

from .catalogue import Catalogue
from .labels import EJECTION, RETRY, ROLE, STANDING, Label


class Replicas:
    """The replicas of all pools, and whether models can answer."""

    def __init__(self, catalogue: Catalogue, model: Label) -> None:
        c, of = catalogue, (model, ROLE)
        # Each worker watches all replicas for itself: a fault that one of them sees must not be averaged away.
        self._replicas = c.gauge("cogitate_replicas", "Replicas, by how they are.", "livemax", *of, STANDING)
        self._up = c.gauge("cogitate_model_up", "Whether the model can answer now.", "livemin", model)
        self._ejections = c.counter(
            "cogitate_ejections_total", "Replicas taken out: calls failed, or health checks.", *of, EJECTION
        )
        self._retries = c.counter(
            "cogitate_retries_total", "Calls tried again, or not for want of a retry budget.", *of, RETRY
        )

    def pool(self, model: str, role: str) -> "PoolCounts":
        """Return what counts for the pool of this role, from zero."""
        return PoolCounts(
            {state: self._replicas.at(model, role, state) for state in STANDING.values},
            {reason: self._ejections.at(model, role, reason) for reason in EJECTION.values},
            {outcome: self._retries.at(model, role, outcome) for outcome in RETRY.values},
        )

    def seen(self, model: str, *, up: bool) -> None:
        """Show whether a model can answer."""
        self._up.at(model).set(up)


class PoolCounts:
    """Counts what happens to the replicas of one pool."""

    def __init__(
        self, standings: Mapping[str, Gauge], ejections: Mapping[str, Counter], retries: Mapping[str, Counter]
    ) -> None:
        self._standings, self._ejections, self._retries = standings, ejections, retries

    def ejected(self) -> None:
        """Count a replica that is taken out for failed calls."""
        self._ejections["failed"].inc()

    def died(self) -> None:
        """Count one that health checks find dead."""
        self._ejections["dead"].inc()

    def retried(self, *, taken: bool) -> None:
        """Count a call that is tried again, or that is not because the retry budget is used up."""
        self._retries["taken" if taken else "refused"].inc()

    def seen(self, standings: Mapping[str, int]) -> None:
        """Show how many replicas are how; those that are not named are none."""
        for state, gauge in self._standings.items():
            gauge.set(standings.get(state, 0))
