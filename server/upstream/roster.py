"""The replicas of a pool: who there is, who is well, who is asked."""

import logging
from collections.abc import Collection, Generator, Iterable
from contextlib import contextmanager
from functools import partial
from random import Random

from .breaker import State
from .choice import pick
from .clock import Clock
from .errors import Absence, Busy, Failed, NoReplica, Stalled, Unreachable
from .options import PoolOptions
from .replica import Replica
from .retries import Retries
from .watcher import Nobody, Watcher

_log = logging.getLogger(__name__)


class Roster:
    """Knows the replicas and lends them out. Does no I/O.

    Ejection for failed calls never takes more than half of them: what fails everywhere is not cured by asking nobody.
    Health checks are a witness of their own and not so bound; but where nobody is left, everybody is asked.
    """

    def __init__(self, name: str, options: PoolOptions, clock: Clock, random: Random) -> None:
        self.name = name
        self.retries = Retries(options.retry_ratio, clock)
        self.watcher: Watcher = Nobody()
        self._options, self._clock, self._random = options, clock, random
        self._members: dict[str, Replica] = {}
        self._leaving: dict[str, Replica] = {}

    @property
    def replicas(self) -> tuple[Replica, ...]:
        """Those that can get calls, in no particular order. One that has left still ends its running calls."""
        return tuple(self._members.values())

    def update(self, urls: Iterable[str]) -> None:
        """Let those at `urls` be the members. One that comes back while its calls still run keeps its record."""
        known = self._leaving | self._members
        self._members = {url: known.get(url) or self._new(url) for url in dict.fromkeys(urls)}
        self._leaving = {url: known[url] for url in known.keys() - self._members.keys() if known[url].calls}
        ejected = sorted((r for r in self.replicas if r.breaker.state is State.OPEN), key=lambda r: r.breaker.left)
        for replica in ejected[: max(0, len(ejected) - len(self._members) // 2)]:
            replica.breaker.half_open()

    def _new(self, url: str) -> Replica:
        replica = Replica(url, clock=self._clock, random=self._random)
        replica.others = partial(self._others, url)
        return replica

    def _others(self, url: str) -> bool:
        # What is silent may speak again; what is dead loses nothing by going to one on trial.
        dead = url in self._members and self._members[url].dead
        others = [r for r in self._members.values() if r.url != url and not r.rest_left]
        return any(r.alive if dead else r.well for r in others)

    @contextmanager
    def lease(self, key: bytes, samples: int, avoid: Collection[Replica] = ()) -> Generator[Replica, None, None]:
        """Lend a replica for a call of `samples` samples, and learn from how the call ends. Raises NoReplica."""
        replica = self._choose(key, samples, avoid)
        era, replica.breaker.trying = replica.breaker.era, replica.breaker.state is State.HALF_OPEN
        replica.load += samples
        replica.calls += 1
        self.retries.called()
        try:
            yield replica
            if era == replica.breaker.era:
                replica.breaker.succeeded()
        except (Unreachable, Stalled, Failed) as failure:
            if era == replica.breaker.era and not replica.dead:
                self._failed(replica, failure)
            raise
        except Busy as busy:
            replica.rest(busy.retry_after)
            raise
        finally:
            replica.load -= samples
            replica.calls -= 1
            if era == replica.breaker.era:
                replica.breaker.trying = False

    def _choose(self, key: bytes, samples: int, avoid: Collection[Replica]) -> Replica:
        # When all are out it may be the witness that errs, an overloaded machine for one: then any is asked.
        alive = [replica for replica in self._members.values() if replica.alive] or list(self._members.values())
        rested = [replica for replica in alive if not replica.rest_left]
        if not rested:
            raise self._absence(alive)
        # Two wishes, the later the less: not one on trial already, not one that has just failed this call.
        ready = [replica for replica in rested if not replica.breaker.trying] or rested
        fresh = [replica for replica in ready if replica not in avoid] or ready
        return pick(fresh, key, samples, self._options, self._random)

    def _absence(self, alive: list[Replica]) -> NoReplica:
        if not alive:
            return NoReplica(self.name, Absence.DOWN, None)
        return NoReplica(self.name, Absence.BUSY, min(replica.rest_left for replica in alive))

    def _failed(self, replica: Replica, failure: Unreachable | Stalled | Failed) -> None:
        grave = isinstance(failure, Stalled) or (isinstance(failure, Unreachable) and failure.connecting)
        if not replica.breaker.failed(grave=grave) or not self._spare(replica):
            return
        _log.warning("%s: %s is ejected: %s", self.name, replica.url, failure)
        self.watcher.ejected()
        replica.breaker.open()
        self.retries.credit(replica.calls + replica.breaker.failures - 1)

    def _spare(self, replica: Replica) -> bool:
        """Whether at least half of the pool remains when `replica` is ejected."""
        out = sum(not other.alive for other in self._members.values() if other is not replica)
        return out + 1 <= len(self._members) // 2

    def retry(self) -> bool:
        """Take a retry out of the budget. False if there is none."""
        taken = self.retries.take()
        self.watcher.retried(taken=taken)
        return taken

    def died(self, replica: Replica, reason: str) -> None:
        """Take it out: health checks find it dead."""
        if not replica.dead:
            _log.warning("%s: %s is dead: %s", self.name, replica.url, reason)
            self.watcher.died()
            replica.died()
            self.retries.credit(replica.calls if replica.others() else 0)

    def revived(self, replica: Replica) -> None:
        """Take it back on trial: health checks find it well. What waits at dead ones may then be tried again."""
        if not replica.dead:
            replica.revived()
            return
        _log.warning("%s: %s is back", self.name, replica.url)
        stranded = 0 if any(r.alive for r in self.replicas) else sum(r.calls for r in self.replicas if r is not replica)
        replica.revived()
        self.retries.credit(stranded)
