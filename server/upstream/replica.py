"""One server of a pool, and what is known of it."""

from collections.abc import Callable
from enum import StrEnum
from hashlib import blake2b
from random import Random

from .breaker import Breaker, State
from .clock import Clock, loop_time

_REST, _LONGEST_REST = 0.5, 10.0  # seconds


class Standing(StrEnum):
    """How a replica is, in one word for people who watch it."""

    UP = "up"
    TRIAL = "trial"
    """Taken back, and to show by one call that it is well."""
    RESTING = "resting"
    """It has said that it is full."""
    EJECTED = "ejected"
    DEAD = "dead"


def _alone() -> bool:
    return False


class Replica:
    """A server at `url` (no trailing slash, no /v1) that has `load` samples of `calls` calls from here under way.

    `heard_at` is the event-loop time at which a call last got something from it. `others` tells whether another
    replica could be asked instead: without one, a silent replica is waited for.
    """

    def __init__(
        self,
        url: str,
        *,
        others: Callable[[], bool] = _alone,
        clock: Clock = loop_time,
        random: Random | None = None,
    ) -> None:
        self.url, self.others = url, others
        self.salt = blake2b(url.encode(), digest_size=16).digest()
        self.load = self.calls = 0
        self.dead = False
        self.heard_at = self._rested_at = float("-inf")
        self.breaker = Breaker(clock, random or Random())
        self._clock = clock
        self._mourners: set[Callable[[], None]] = set()

    def __repr__(self) -> str:
        return f"<Replica {self.url}: {'dead' if self.dead else self.breaker.state}, load {self.load}>"

    @property
    def alive(self) -> bool:
        """Whether calls may go there: it is neither dead nor ejected. A resting one is alive."""
        return not self.dead and self.breaker.state is not State.OPEN

    @property
    def well(self) -> bool:
        """Whether it is in full service: alive and not on trial."""
        return not self.dead and self.breaker.state is State.CLOSED

    @property
    def standing(self) -> Standing:
        """How it is: the first of dead, ejected, resting and on trial that is so, else up."""
        if self.dead:
            return Standing.DEAD
        if self.breaker.state is State.OPEN:
            return Standing.EJECTED
        if self.rest_left:
            return Standing.RESTING
        return Standing.UP if self.breaker.state is State.CLOSED else Standing.TRIAL

    @property
    def rest_left(self) -> float:
        """Seconds it still rests, 0 if it does not."""
        return max(0.0, self._rested_at - self._clock())

    def rest(self, seconds: float | None) -> None:
        """Ask nothing of it for `seconds`: it said that it is full."""
        self._rested_at = self._clock() + (_REST if seconds is None else min(max(seconds, 0.0), _LONGEST_REST))

    def watch(self, mourner: Callable[[], None]) -> Callable[[], None]:
        """Call `mourner` once the replica is found dead. Return what undoes this."""
        self._mourners.add(mourner)
        return lambda: self._mourners.discard(mourner)

    def died(self) -> None:
        """Found dead by a health check: nobody asks it any more, and its calls learn of it."""
        if not self.dead:
            self.dead = True
            for mourner in tuple(self._mourners):
                mourner()

    def revived(self) -> None:
        """Found well by a health check, which a trial has to confirm.

        A replica that was ejected for its answers stays so for its time: health checks know nothing of answers.
        """
        if self.dead or (self.breaker.grave and self.breaker.state is State.OPEN):
            self.dead = False
            self.breaker.half_open()
