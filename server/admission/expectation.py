"""What requests are expected to use of what they get, by what requests of their kind have used."""

from collections import OrderedDict
from math import ceil

from .ticket import Entry, Ticket

_KINDS = 256
"""Kinds remembered; the one not seen for longest is forgotten."""

_PACE = 0.1
"""Weight of the newest observation, once there are enough of them."""


class Expectations:
    """The share of its samples that a request draws, as a moving mean per kind: all of them, until one was seen.

    A share and not a count, so that a request that got fewer samples is expected to use fewer, and teaches the same.
    """

    def __init__(self) -> None:
        self._seen: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def share(self, kind: str) -> float:
        """Return the part of its samples that a request of this kind is expected to draw, in (0, 1]."""
        return self._seen.get(kind, (1.0, 1))[0]

    def learn(self, ticket: Ticket, entry: Entry) -> None:
        """Take note of what a request used, if it said so."""
        if entry.used is None:
            return
        share, count = self._seen.get(ticket.kind, (1.0, 1))
        pace = max(_PACE, 1 / (count + 1))  # the first few weigh alike: the guess before them was only a bound
        used = min(1.0, max(0, entry.used) / entry.samples)
        self._seen[ticket.kind] = (share + pace * (used - share), count + 1)
        self._seen.move_to_end(ticket.kind)
        if len(self._seen) > _KINDS:
            self._seen.popitem(last=False)


def weight(samples: int, share: float, capacity: int) -> int:
    """Return what `samples` count for, at least 1 and at most `capacity`: what fits nowhere goes alone."""
    return min(capacity, max(1, ceil(samples * share)))


def granted(ticket: Ticket, share: float, capacity: int, free: int) -> int | None:
    """Return the samples that a request gets while `free` are unused, None where it must wait.

    Half of what is free at most, so that something is left for the next one; but `least` if they fit at all.
    """
    if weight(ticket.least, share, capacity) > free:
        return None
    half = int((free // 2) / share)
    return max(ticket.least, min(ticket.samples, half))
