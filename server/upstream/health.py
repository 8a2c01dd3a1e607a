"""Health checks: the way to learn of a dead replica without losing a call to it."""

import asyncio
from http import HTTPStatus
from typing import Self

import httpx

from .clock import loop_time
from .options import PoolOptions
from .replica import Replica
from .roster import Roster


class Health:
    """Polls every replica of a roster each `health_seconds`, with the same as timeout.

    After a failure it asks at once again, in half the time: two failures in a row mean dead, so that a replica that
    hangs is found within two and a half periods. What answers calls is not dead, whatever its health endpoint says:
    under load that one is often starved.
    """

    def __init__(self, roster: Roster, options: PoolOptions) -> None:
        self._roster, self._period = roster, options.health_seconds
        self._client = httpx.AsyncClient(
            headers=options.headers,
            trust_env=False,
            # Each check is to show that a connection can be made.
            limits=httpx.Limits(max_keepalive_connections=0),
        )
        self._pollers: dict[Replica, asyncio.Task[None]] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """End all polling."""
        pollers = [*self._pollers.values()]
        self._pollers.clear()
        for poller in pollers:
            poller.cancel()
        await asyncio.gather(*pollers, return_exceptions=True)
        await self._client.aclose()

    def follow(self) -> None:
        """Poll those that are members now, and no others."""
        members = set(self._roster.replicas)
        for gone in self._pollers.keys() - members:
            self._pollers.pop(gone).cancel()
        for new in members - self._pollers.keys():
            self._pollers[new] = asyncio.create_task(self._poll(new), name=f"health of {new.url}")

    async def _poll(self, replica: Replica) -> None:
        while True:
            begun = loop_time()
            await self._judge(replica)
            await asyncio.sleep(max(0.0, begun + self._period - loop_time()))

    async def _judge(self, replica: Replica) -> None:
        fault = await self._ask(replica, self._period)
        if fault and not replica.dead:
            fault = await self._ask(replica, self._period / 2)
        if not fault:
            self._roster.revived(replica)
        elif loop_time() - replica.heard_at > self._period:
            self._roster.died(replica, fault)

    async def _ask(self, replica: Replica, seconds: float) -> str | None:
        """Return what is wrong with the replica, None if nothing is. Any answer but a 5xx shows that it lives."""
        try:
            async with asyncio.timeout(seconds):
                status = await self._status(replica, "/health")
                if status == HTTPStatus.NOT_FOUND:  # it has no endpoint for this
                    status = await self._status(replica, "/v1/models")
        except TimeoutError:
            return f"no answer to a health check in {seconds:g} s"
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            return f"{type(error).__name__}: {error}"
        return f"its health check answers {status}" if httpx.codes.is_server_error(status) else None

    async def _status(self, replica: Replica, path: str) -> int:
        return (await self._client.get(replica.url + path, timeout=None)).status_code
