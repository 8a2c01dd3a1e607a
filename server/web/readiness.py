"""Where a server is in its life, which decides whether new requests should come to it."""

import time
from collections.abc import Callable
from enum import StrEnum


class State(StrEnum):
    """The life of a server, in order."""

    STARTING = "starting"
    READY = "ready"
    DRAINING = "draining"


class Readiness:
    """Whether new requests should come here. `since` is the Unix time at which the server started."""

    def __init__(self) -> None:
        self.state = State.STARTING
        self.since = int(time.time())
        self.cutting = False
        """Whether what runs is being cut short."""
        self._running = set[Callable[[], None]]()

    def open(self) -> None:
        """Note that the models answer."""
        if self.state is State.STARTING:
            self.state = State.READY

    def drain(self) -> None:
        """Ask for no more requests: the server is about to stop."""
        self.state = State.DRAINING

    def register(self, cut: Callable[[], None]) -> Callable[[], None]:
        """Have `cut` called when there is no more time for what is running; return what undoes this."""
        self._running.add(cut)
        if self.cutting:
            cut()
        return lambda: self._running.discard(cut)

    def cut_short(self) -> None:
        """Ask all that runs, and all that is still to come, to end with what it has."""
        self.cutting = True
        for cut in tuple(self._running):
            cut()
