"""A line of waiting requests that is fair between keys (start-time fair queueing, Goyal, Vin and Cheng 1996)."""

import asyncio
from collections import deque
from dataclasses import dataclass, field

from .ticket import Entry, Shed, Ticket


@dataclass(eq=False, slots=True)
class Waiter:
    """A request at the door. `number` counts the arrivals, `since` is its own in seconds of the clock.

    `outcome` is what became of it, None while it waits; `turn` wakes it, where it sleeps.
    """

    ticket: Ticket
    number: int
    since: float
    outcome: Entry | Shed | None = None
    turn: asyncio.Future[None] | None = None

    def tell(self, outcome: Entry | Shed) -> None:
        """Say what became of it."""
        self.outcome = outcome
        if self.turn is not None and not self.turn.done():  # done: cancelled, and not yet gone
            self.turn.set_result(None)


@dataclass(slots=True)
class Line:
    """Requests of one priority. The key that has had least since the line formed is next, its oldest request first.

    A key that comes anew begins where the others are: it has no credit for the time in which it asked nothing.
    """

    _keys: dict[str, deque[Waiter]] = field(default_factory=dict[str, deque[Waiter]])
    _had: dict[str, int] = field(default_factory=dict[str, int])
    _now: int = 0

    def __bool__(self) -> bool:
        return bool(self._keys)

    def join(self, waiter: Waiter) -> None:
        """Put a request behind those of its key."""
        key = waiter.ticket.key
        if key not in self._keys:
            self._keys[key] = deque()
            self._had[key] = max(self._had.get(key, 0), self._now)
        self._keys[key].append(waiter)

    def first(self) -> Waiter:
        """Return whose turn it is."""
        return self._keys[min(self._keys, key=self._had.__getitem__)][0]

    def serve(self, waiter: Waiter, weight: int) -> None:
        """Take out the first, that gets `weight` samples."""
        key = waiter.ticket.key
        self._now = self._had[key]
        self._had[key] += weight
        self.leave(waiter)

    def leave(self, waiter: Waiter) -> None:
        """Take out one that waits, wherever it stands."""
        own = self._keys[waiter.ticket.key]
        own.remove(waiter)
        if not own:
            del self._keys[waiter.ticket.key]
            self._had = {k: had for k, had in self._had.items() if self._keys and (k in self._keys or had > self._now)}
            self._now = self._now if self._keys else 0

    def newest(self) -> Waiter:
        """Return who came last."""
        return max((own[-1] for own in self._keys.values()), key=lambda w: w.number)

    def superfluous(self, newcomer: Waiter) -> Waiter:
        """Return who must go when one too many waits: the last of the key with the most, in doubt the newcomer."""
        longest = max(self._keys.values(), key=len)
        own = self._keys[newcomer.ticket.key]
        return longest[-1] if len(longest) > len(own) else newcomer
