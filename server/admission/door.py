"""Who may come in, and with how much: admission in units of compute."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from itertools import count
from typing import Literal

from .expectation import Expectations, granted, weight
from .line import Line, Waiter
from .pace import Pace
from .ticket import PRIORITIES, Entry, Shed, Ticket


class Admission:
    """A door to `capacity` samples at once, and to so many `requests`; so many more may be `waiting` before it.

    What a request counts for is what its kind was seen to use. It gets at most half of what is free, never less than
    its least; where that does not fit it waits, `patience` seconds at most. Higher priorities come first, keys of the
    same priority get the same compute, and each key's requests come in order. Places are handed over as they become
    free: whoever is woken is in. All of it runs on one event loop and none of it awaits.
    """

    def __init__(
        self,
        *,
        capacity: int,
        requests: int,
        waiting: int,
        patience: float,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self.capacity = capacity
        self._requests = requests
        self._places = waiting
        self._patience = patience
        self._clock = clock or _loop_time
        self._lines = [Line() for _ in range(PRIORITIES)]
        self._numbers = count()
        self._expected = Expectations()
        self._pace = Pace()
        self._load = self._running = self._waiting = 0

    @property
    def load(self) -> int:
        """Samples expected to be under way."""
        return self._load

    @property
    def running(self) -> int:
        """Requests that were let in and have not left."""
        return self._running

    @property
    def waiting(self) -> int:
        """Requests that wait."""
        return self._waiting

    @asynccontextmanager
    async def enter(self, ticket: Ticket) -> AsyncGenerator[Entry]:
        """Be inside with the samples of the entry. Raises Shed."""
        waiter = Waiter(ticket, next(self._numbers), self._clock())
        entry = await self._admitted(waiter)
        try:
            yield entry
        finally:
            self._expected.learn(ticket, entry)
            self._left(entry)

    async def _admitted(self, waiter: Waiter) -> Entry:
        self._line(waiter).join(waiter)
        self._waiting += 1
        self._open()
        if self._waiting > self._places:
            self._turn_away(self._superfluous(waiter), "queue_full")
        if waiter.outcome is None:
            await self._turn(waiter)
        if not isinstance(waiter.outcome, Entry):
            raise waiter.outcome or AssertionError("woken, and nothing became of it")
        return waiter.outcome

    async def _turn(self, waiter: Waiter) -> None:
        """Wait until something has become of it."""
        loop = asyncio.get_running_loop()
        waiter.turn = loop.create_future()
        timer = loop.call_later(self._patience, self._give_up, waiter)
        try:
            await waiter.turn
        except asyncio.CancelledError:
            self._abandon(waiter)
            raise
        finally:
            timer.cancel()

    def _open(self) -> None:
        """Let in whoever fits. The first that does not holds up all behind it, or large requests would never fit."""
        while self._waiting and self._running < self._requests:
            line = next(line for line in self._lines if line)
            waiter = line.first()
            ticket, share = waiter.ticket, self._expected.share(waiter.ticket.kind)
            samples = granted(ticket, share, self.capacity, self.capacity - self._load)
            if samples is None:
                return
            entry = Entry(samples, weight(samples, share, self.capacity), self._clock() - waiter.since)
            line.serve(waiter, entry.weight)
            self._waiting -= 1
            self._entered(entry)
            waiter.tell(entry)

    def _entered(self, entry: Entry) -> None:
        if not self._running:
            self._pace.begins(self._clock())
        self._running += 1
        self._load += entry.weight

    def _left(self, entry: Entry) -> None:
        self._pace.leaves(self._clock())
        self._running -= 1
        self._load -= entry.weight
        self._open()

    def _superfluous(self, newcomer: Waiter) -> Waiter:
        lowest = next(line for line in reversed(self._lines) if line)
        own = self._line(newcomer)
        return own.superfluous(newcomer) if lowest is own else lowest.newest()

    def _give_up(self, waiter: Waiter) -> None:
        if waiter.outcome is None:
            self._turn_away(waiter, "queue_time")

    def _turn_away(self, waiter: Waiter, reason: Literal["queue_full", "queue_time"]) -> None:
        waiter.tell(Shed(reason, self._pace.until(self._waiting, self._clock())))
        self._gone(waiter)

    def _abandon(self, waiter: Waiter) -> None:
        """Forget one whose task was cancelled, though its turn may have come meanwhile."""
        if isinstance(waiter.outcome, Entry):
            self._left(waiter.outcome)
        elif waiter.outcome is None:
            self._gone(waiter)

    def _gone(self, waiter: Waiter) -> None:
        self._line(waiter).leave(waiter)
        self._waiting -= 1
        self._open()  # it may have held up others that fit

    def _line(self, waiter: Waiter) -> Line:
        return self._lines[waiter.ticket.priority]


def _loop_time() -> float:
    return asyncio.get_running_loop().time()
