"""What ends a call that does not end by itself."""

import asyncio
from collections.abc import Callable

from .errors import Stalled
from .replica import Replica

_REVIVAL_SECONDS = 0.5
"""A call at a dead replica looks so often whether another has come back."""


class Watch:
    """Looks after one call: its deadline, its silence, and its replica's death.

    When one of these ends the call, `failure` says why and `end` is called with it. A silent call is only given up
    while another replica could be asked instead; so is one that has begun to answer when the replica dies.
    """

    def __init__(self, replica: Replica, deadline: float | None, stall_seconds: float) -> None:
        self._replica, self._deadline, self._stall = replica, deadline, stall_seconds
        self._loop = asyncio.get_running_loop()
        self._heard_at = self._loop.time()
        self._begun = False
        self._was_dead = replica.dead  # asked all the same, since nobody is left: only its answer counts now
        self.failure: Exception | None = None
        self.end: Callable[[Exception], None] = lambda _: None
        self._forget = replica.watch(self._mourn)
        self._timer = self._loop.call_at(self._next(), self._tick)

    def close(self) -> None:
        """Stop looking."""
        self._timer.cancel()
        self._forget()

    def heard(self) -> None:
        """Note that the call got something."""
        self._heard_at = self._replica.heard_at = self._loop.time()
        if not self._begun:
            self._begun = True
            self._replica.breaker.heard()

    def _next(self) -> float:
        silent = self._loop.time() - self._heard_at
        # A call that has been silent for too long, but has nowhere else to go, looks again from time to time.
        wait = self._stall - silent if silent < self._stall else self._stall / 4
        if self._replica.dead:
            wait = min(wait, _REVIVAL_SECONDS)
        return min(self._loop.time() + wait, self._deadline if self._deadline is not None else float("inf"))

    def _tick(self) -> None:
        self.look()
        if self.failure is None:
            self._timer = self._loop.call_at(self._next(), self._tick)

    def look(self) -> None:
        """Look whether the call has to end."""
        if self.failure is None and (failure := self._found()):
            self.failure = failure
            self.close()
            self.end(failure)

    def _mourn(self) -> None:
        """Look at once, and from now on more often."""
        self.look()
        if self.failure is None:
            self._timer.cancel()
            self._timer = self._loop.call_at(self._next(), self._tick)

    def _found(self) -> Exception | None:
        now = self._loop.time()
        if self._deadline is not None and now >= self._deadline:
            return TimeoutError("the deadline of the call has come")
        if self._replica.dead and not self._was_dead and (not self._begun or self._replica.others()):
            return Stalled(f"{self._replica.url} has died")
        if now - self._heard_at >= self._stall and self._replica.others():
            return Stalled(f"nothing came from {self._replica.url} for {self._stall:g} s")
        return None
