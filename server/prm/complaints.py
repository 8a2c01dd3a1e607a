"""Why there are no rewards: in a few words for whoever asked, with addresses and details for the log."""

import logging
from collections.abc import Callable
from math import inf

from server.upstream import Stalled, Unreachable, UpstreamError
from server.upstream.errors import Absence, Busy, NoReplica, Refused

from .reply import Garbled

_log = logging.getLogger(__name__)

_SILENCE = 1.0  # seconds for which the log hears no more of the same kind

UNUSABLE = "gave no usable rewards"
LEFT_ALONE = "has been silent before and is left alone for a while"


def reason(failure: UpstreamError, timeout: float) -> str:
    """Return what may be told to clients: it names no address, and repeats nothing that a server said."""
    match failure:
        case Stalled():
            return f"gave no rewards in {timeout:g} s"
        case Unreachable(__cause__=Garbled()):
            return UNUSABLE
        case Busy() | NoReplica(reason=Absence.BUSY):
            return "is full"
        case Unreachable() | NoReplica():
            return "cannot be reached"
        case Refused():
            return "refuses the request"
        case _:
            return UNUSABLE


class Complaints:
    """Writes to the log why a scorer called `name` gave no rewards, at most once a second for each kind."""

    def __init__(self, name: str, clock: Callable[[], float]) -> None:
        self._name, self._clock = name, clock
        self._last = dict[str, float]()

    def note(self, kind: str, detail: object) -> None:
        """Note one; `kind` is one of a few texts."""
        now = self._clock()
        if now - self._last.get(kind, -inf) >= _SILENCE:
            self._last[kind] = now
            _log.warning("the scorer %s %s: %s", self._name, kind, detail)
