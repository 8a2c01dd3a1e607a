"""How a call to a replica fails. The class says what the failure means for the replica and for the call."""

from enum import StrEnum


class UpstreamError(Exception):
    """A call that failed."""


class Unreachable(UpstreamError):
    """No connection, or one that broke, or a reply that is not HTTP: counts against the replica.

    `connecting` says that no connection came about at all, which is graver than one that broke.
    """

    def __init__(self, message: str, *, connecting: bool = False) -> None:
        super().__init__(message)
        self.connecting = connecting


class Stalled(UpstreamError):
    """Nothing came for too long: counts against the replica."""


class Failed(UpstreamError):
    """The replica answered with an error of its own, or takes no calls from here: counts against it.

    5xx other than 503, and those 4xx that are about key, path, model or connection.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status


class Busy(UpstreamError):
    """503 or 429: the replica is alive and full. It rests for `retry_after` seconds, where it named them."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Refused(UpstreamError):
    """Any other 4xx, the request's own fault: no penalty for the replica, and of no use to ask again.

    `param` is the field the replica blames, where it says so.
    """

    def __init__(self, status: int, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.param = status, message, param


class Absence(StrEnum):
    """Why nobody can be asked."""

    DOWN = "down"
    """Every replica is ejected or dead, or none has been found."""
    BUSY = "busy"
    """Those that are well are resting."""


class NoReplica(UpstreamError):
    """Nobody can be asked now; perhaps in `retry_after` seconds."""

    def __init__(self, pool: str, reason: Absence, retry_after: float | None = None) -> None:
        super().__init__(f"no replica of {pool} can be asked: all are {reason}")
        self.reason, self.retry_after = reason, retry_after
