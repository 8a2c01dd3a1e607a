"""What a request asks of the door, and what it is told."""

from dataclasses import dataclass
from typing import Literal

PRIORITIES = 3
"""Classes of requests: 0 high, 1 normal, 2 low."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """A request for `samples`, or under pressure as few as `least` of them.

    `kind` is what the expectation of its use is kept by, `key` whose request it is. Raises ValueError.
    """

    kind: str
    key: str
    samples: int
    least: int = 1
    priority: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.least <= self.samples:
            raise ValueError(f"least must be from 1 to {self.samples} samples: {self.least}")
        if not 0 <= self.priority < PRIORITIES:
            raise ValueError(f"priority must be from 0 to {PRIORITIES - 1}: {self.priority}")


class Shed(Exception):
    """The request is turned away: too many wait already, or it has waited too long.

    `retry_after`: seconds after which those who wait now should be through, from 1 to 60.
    """

    def __init__(self, reason: Literal["queue_full", "queue_time"], retry_after: float) -> None:
        super().__init__(reason)
        self.reason: Literal["queue_full", "queue_time"] = reason
        self.retry_after = retry_after


class Entry:
    """A request that was let in: with how many `samples`, after how many seconds it `waited`."""

    __slots__ = ("samples", "used", "waited", "weight")

    def __init__(self, samples: int, weight: int, waited: float) -> None:
        self.samples = samples
        self.weight = weight
        self.waited = waited
        self.used: int | None = None

    def spent(self, samples: int) -> None:
        """Say how many samples were really drawn; nothing is learnt from a request that does not say."""
        self.used = samples
