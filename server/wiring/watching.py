"""Metrics of what happens beside requests: how replicas are, and how full the server is."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Protocol

from server.observers import Metrics

from .models import Served

_log = logging.getLogger(__name__)

_PERIOD = 1.0
"""Seconds between two looks: what another worker of this server says when it is scraped is not older."""


class Load(Protocol):
    """How full the server is."""

    @property
    def load(self) -> float:
        """Samples expected to be under way."""
        ...

    @property
    def waiting(self) -> int:
        """Requests that wait for their turn."""
        ...

    @property
    def capacity(self) -> int:
        """Samples that may be under way."""
        ...


class Watching:
    """Counts what pools tell, and looks each second, and whenever it is scraped, at what they do not."""

    def __init__(self, metrics: Metrics, served: Sequence[Served], load: Load) -> None:
        self._metrics, self._served, self._load = metrics, served, load
        self._pools = [
            (pool, metrics.replicas.pool(one.model.id, role)) for one in served for role, pool in one.pools.items()
        ]
        for pool, counts in self._pools:
            pool.report_to(counts)

    def look(self) -> None:
        """Show how everything is now."""
        self._metrics.door.seen(load=self._load.load, waiting=self._load.waiting, capacity=self._load.capacity)
        for pool, counts in self._pools:
            counts.seen(pool.standings)
        for one in self._served:
            self._metrics.replicas.seen(one.model.id, up=one.model.condition().up)

    def exposed(self) -> bytes:
        """Return all metrics, with how everything is now."""
        self.look()
        return self._metrics.exposed()

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Look each second while the context lasts."""
        task = asyncio.create_task(self._look_on(), name="looking at pools and load")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _look_on(self) -> None:
        while True:
            try:
                self.look()
            except Exception:  # noqa: BLE001 - to miss a look is better than to look no more
                _log.exception("what is served cannot be looked at")
            await asyncio.sleep(_PERIOD)
