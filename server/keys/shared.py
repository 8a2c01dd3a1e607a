"""The books of many gateways, in a Redis that they share: one script, run whole or not at all, for each question."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from importlib.resources import files
from typing import Any, NamedTuple, TypeVar, cast
from uuid import uuid4

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from .key import Key
from .quota import Reservation, Unavailable
from .ruling import Ruling, bounds, check, headers

_log = logging.getLogger(__name__)

_T = TypeVar("_T")

PREFIX = "cogitate:quota:"
"""What the names of all keys in Redis begin with; behind it comes the id of an API key."""

_SHARE = 0.45
"""Part of the patience for one answer: less than half, so that a connection that was lost costs nothing else."""

_CONNECTIONS = 8
"""A question takes well below a millisecond, so that few connections carry all that one process can ask."""

_MOST_OWED = 10_000
"""Settlements that are kept while Redis is away. What is forgotten stays charged until its window has passed."""


class _Debt(NamedTuple):
    """A settlement to be made: `void` where nobody knows whether there is a reservation."""

    account: str
    spent: int
    void: bool = False


class RedisQuota:
    """A Quota for any number of gateways. It needs Redis 5 or later, or Valkey, and goes by that server's clock.

    What cannot be settled while Redis is away is settled when it answers again; until then it stays charged.
    """

    def __init__(self, client: Redis, clock: Callable[[], float] | None, patience: float) -> None:
        self._client, self._clock, self._patience = client, clock, patience
        self._reserve_script = client.register_script(_lua("reserve.lua"))
        self._settle_script = client.register_script(_lua("settle.lua"))
        self._tasks = set[asyncio.Task[Any]]()
        self._owed = dict[str, _Debt]()
        self._paying = self._away = self._closed = False

    @classmethod
    def from_url(cls, url: str, clock: Callable[[], float] | None = None, patience: float = 1.0) -> "RedisQuota":
        """Return the books at `redis://user:password@host:6379/0`. Connects later. Raises ValueError.

        `patience` are the seconds for a question with everything: waiting for a connection, connecting, asking a second
        time. `clock` stands in for that of Redis, in tests.
        """
        try:
            pool = BlockingConnectionPool.from_url(  # pyright: ignore[reportUnknownMemberType]
                url,
                max_connections=_CONNECTIONS,
                timeout=patience,
                socket_timeout=_SHARE * patience,
                socket_connect_timeout=_SHARE * patience,
                retry=Retry(NoBackoff(), 1),
                protocol=2,  # nothing of the third is needed, and every connection would begin with more questions
                decode_responses=True,
            )
        except (ValueError, TypeError):  # whose words may repeat a part of the password
            raise ValueError("the address of Redis looks like redis://user:password@host:6379/0") from None
        return cls(Redis.from_pool(pool), clock, patience)

    async def reserve(self, key: Key, ask: int, least: int) -> Reservation:
        """See Quota. A caller that is cancelled meanwhile leaves nothing charged but the request."""
        if not 1 <= least <= ask:
            raise ValueError(f"{least} of {ask} tokens is nothing to reserve")
        if not key.limits.bounded:
            return Reservation(None, {}, None)
        task = self._start(self._reserve(key, ask, least))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            task.add_done_callback(self._unwanted)
            raise

    async def check(self) -> None:
        """Return when Redis answers. Raises Unavailable."""
        await self._asked(self._client.ping)  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]

    async def aclose(self) -> None:
        """Finish what is being settled, and close the connections."""
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._pay()
        self._closed = True
        await self._client.aclose(close_connection_pool=True)

    def _start(self, work: Coroutine[Any, Any, _T]) -> asyncio.Task[_T]:
        """Run something that no caller's cancellation stops, and that is waited for at the end."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _unwanted(self, task: asyncio.Task[Reservation]) -> None:
        if not task.cancelled() and task.exception() is None:
            self._start(task.result().settle(0))

    async def _reserve(self, key: Key, ask: int, least: int) -> Reservation:
        number, account, limits = uuid4().hex, PREFIX + key.id, [bound.limit for bound in bounds(key.limits)]
        time = "" if self._clock is None else repr(self._clock())
        arguments = [number, ask, least, *("" if limit is None else limit for limit in limits), time]
        try:
            reply = await self._asked(lambda: self._reserve_script(keys=[account], args=arguments))
        except Unavailable:
            if key.limits.compute:  # it may be charged all the same, if Redis only was slow
                self._owe(number, _Debt(account, 0, void=True))
            raise
        ruling = _ruling(reply)
        check(ruling, key, least)
        if not key.limits.compute:
            return Reservation(None, headers(ruling, key), None)

        async def settle(spent: int) -> None:
            await asyncio.shield(self._start(self._settle(number, _Debt(account, spent))))

        return Reservation(ruling.granted, headers(ruling, key), settle)

    async def _settle(self, number: str, debt: _Debt) -> None:
        try:
            await self._book(number, debt)
        except Unavailable:
            self._owe(number, debt)

    async def _book(self, number: str, debt: _Debt) -> None:
        arguments = [number, debt.spent, "1" if debt.void else ""]
        await self._asked(lambda: self._settle_script(keys=[debt.account], args=arguments))

    def _owe(self, number: str, debt: _Debt) -> None:
        if len(self._owed) < _MOST_OWED:
            self._owed[number] = debt

    async def _pay(self) -> None:
        """Settle what is owed, as long as Redis answers. Each is booked once, however often it is sent."""
        self._paying = True
        try:
            while self._owed:
                number, debt = next(iter(self._owed.items()))
                await self._book(number, debt)
                self._owed.pop(number, None)
        except Unavailable:
            _log.debug("%d settlements wait for Redis", len(self._owed))
        finally:
            self._paying = False

    async def _asked(self, question: Callable[[], Any]) -> Any:
        """Return what Redis says. Raises Unavailable with the kind of the failure alone: its text may be secret."""
        if self._closed:  # the client would open a connection again, and nobody would close it
            raise Unavailable("the books are closed")
        try:
            async with asyncio.timeout(self._patience):
                reply = await question()
        except (RedisError, OSError, TimeoutError) as failure:
            kind = type(failure).__name__
            if not self._away:
                _log.warning("Redis does not answer (%s): keys with limits are refused", kind)
            self._away = True
            raise Unavailable(f"Redis does not answer ({kind})") from None
        if self._away:
            _log.warning("Redis answers again")
        self._away = False
        if self._owed and not self._paying:
            self._start(self._pay())
            self._paying = True
        return reply


def _ruling(reply: Any) -> Ruling:
    """Read what the script said. Raises Unavailable where it was given back before it was made."""
    refused, granted, now, day, minute, *used = cast("list[int]", reply)
    if refused < 0:
        raise Unavailable("Redis answered too late")
    daily, day_compute, requests, compute = used
    return Ruling(refused, granted, now / 1e6, day, minute, (daily, day_compute, requests, compute))


def _lua(name: str) -> str:
    return files("server.keys").joinpath(name).read_text(encoding="utf-8")
