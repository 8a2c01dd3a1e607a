"""Where a server is in its life, which decides whether new requests should come to it."""

import time
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

    def open(self) -> None:
        """Note that the models answer."""
        if self.state is State.STARTING:
            self.state = State.READY

    def drain(self) -> None:
        """Ask for no more requests: the server is about to stop."""
        self.state = State.DRAINING
