"""A pool of replicas, alive: connected, discovered, watched."""

import asyncio
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, AsyncExitStack
from random import Random

import aiohttp

from . import http
from .addresses import Address
from .clock import Clock, loop_time
from .discovery import Discovery
from .errors import Absence, Busy, NoReplica, Refused, UpstreamError
from .health import Health
from .options import PoolOptions
from .replica import Replica
from .roster import Roster
from .watcher import Watcher

_MOST_TRIES = 3
_PAUSE = 0.2  # seconds before a replica that failed, and has no other beside it, is asked again


class Pool:
    """The replicas behind `sources` ("http://host:8000", "dns+http://name:8000"), under the name logs give them.

    `start` before, `aclose` after. Raises ValueError for a source that is none.
    """

    def __init__(
        self,
        name: str,
        sources: Sequence[str],
        *,
        options: PoolOptions | None = None,
        clock: Clock = loop_time,
        random: Random | None = None,
    ) -> None:
        self.options = options or PoolOptions()
        self._random = random or Random()
        self._roster = Roster(name, self.options, clock, self._random)
        self._addresses = [Address.parse(source) for source in sources]
        self._clock = clock
        self._session: aiohttp.ClientSession | None = None
        self._health: Health | None = None
        self._open = AsyncExitStack()

    @property
    def name(self) -> str:
        """The pool's name."""
        return self._roster.name

    @property
    def replicas(self) -> tuple[Replica, ...]:
        """The members there are now."""
        return self._roster.replicas

    @property
    def healthy(self) -> int:
        """How many replicas may be asked: neither dead nor ejected."""
        return sum(replica.alive for replica in self.replicas)

    @property
    def standings(self) -> Counter[str]:
        """How many replicas are how (`Standing`)."""
        return Counter[str](replica.standing for replica in self.replicas)

    def report_to(self, watcher: Watcher) -> None:
        """Tell `watcher` from now on what happens to the replicas."""
        self._roster.watcher = watcher

    @property
    def session(self) -> aiohttp.ClientSession:
        """The connections to all of them. Raises RuntimeError before `start` and after `aclose`."""
        if self._session is None:
            raise RuntimeError(f"the pool {self.name} is not started")
        return self._session

    async def start(self) -> None:
        """Connect to nobody yet, but find out who there is and begin to watch them."""
        async with AsyncExitStack() as stack:
            self._session = await stack.enter_async_context(http.connections(self.options))
            stack.callback(setattr, self, "_session", None)
            if self.options.health_seconds:
                self._health = await stack.enter_async_context(Health(self._roster, self.options))
            discovery = Discovery(self._addresses, self._update)
            await discovery.once()
            stack.push_async_callback(_end, asyncio.create_task(discovery.run(), name=f"discovery of {self.name}"))
            self._open = stack.pop_all()

    def _update(self, urls: Iterable[str]) -> None:
        self._roster.update(urls)
        if self._health:
            self._health.follow()

    async def aclose(self) -> None:
        """End all watching and close all connections. Harmless if repeated."""
        await self._open.aclose()

    def lease(self, key: bytes, samples: int, avoid: Collection[Replica] = ()) -> AbstractContextManager[Replica]:
        """Lend the replica that `key` prefers, for a call of `samples` samples made within the context.

        Replicas in `avoid` are lent only if there are no others. An UpstreamError that leaves the context tells what
        the call taught of the replica; any other exception teaches nothing. Raises NoReplica on entry.
        """
        return self._roster.lease(key, samples, avoid)

    def stream(
        self,
        replica: Replica,
        path: str,
        body: bytes,
        *,
        headers: Mapping[str, str] | None = None,
        deadline: float | None = None,
    ) -> http.Call:
        """Call a leased replica. See `http.stream`."""
        return http.stream(self.session, replica, path, body, headers=headers, deadline=deadline, options=self.options)

    async def post(
        self,
        replica: Replica,
        path: str,
        body: bytes,
        *,
        headers: Mapping[str, str] | None = None,
        deadline: float | None = None,
    ) -> bytes:
        """Call a leased replica for a whole reply. See `http.post`."""
        return await http.post(
            self.session, replica, path, body, headers=headers, deadline=deadline, options=self.options
        )

    async def patience(self, failure: UpstreamError, deadline: float | None = None, tries: int = 1) -> bool:
        """Wait until a call that has failed `tries` times, at last so, may be tried again. False if it may not.

        It may not after a refusal, where nobody is, after three replicas have failed it (one that is full has not),
        beyond the retry budget, or when its turn would come after `deadline`.
        """
        if isinstance(failure, Refused) or (isinstance(failure, NoReplica) and failure.reason is Absence.DOWN):
            return False
        if tries >= _MOST_TRIES and not isinstance(failure, Busy | NoReplica):
            return False
        wait = self._wait(failure)
        if deadline is not None and self._clock() + wait >= deadline:
            return False
        if not self._roster.retry():
            return False
        await asyncio.sleep(wait)
        return True

    def _wait(self, failure: UpstreamError) -> float:
        """Return the seconds until it makes sense to ask again, jittered so that not all come back at once."""
        alive = [replica for replica in self.replicas if replica.alive]
        rest = min((replica.rest_left for replica in alive), default=0.0)
        if rest == 0.0 and (isinstance(failure, Busy | NoReplica) or len(alive) > 1):
            return 0.0
        return max(rest, _PAUSE) * self._random.uniform(1.0, 1.5)


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
