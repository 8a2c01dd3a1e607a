"""Work that follows a request and may be slow: in a thread, behind a queue that is bounded and never waited for."""

import logging
import time
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from traceback import extract_tb
from typing import Generic, TypeVar

_log = logging.getLogger(__name__)

_SELDOM = 60.0
"""Seconds between two lines about the same trouble."""

T = TypeVar("T")


class Background(Generic[T]):
    """Hands what it is given to `handle`, one by one and in order, in a thread that starts with the first.

    At most `size` wait; further ones are dropped and counted. The thread starts late so that processes can be forked
    before, and ends with `close` or with the process. `what` names the items in the log.
    """

    def __init__(self, what: str, handle: Callable[[T], None], size: int) -> None:
        self.dropped = 0
        """How many were not handled: there was no room, or handling them failed."""
        self._what, self._handle, self._size = what, handle, size
        self._queue = SimpleQueue[T | None]()
        self._thread: Thread | None = None
        self._closed = False
        self._told, self._quiet_until = 0, 0.0

    def put(self, item: T) -> None:
        """Take `item`, or drop it. Never blocks, never raises."""
        if self._closed or self._queue.qsize() >= self._size:
            self.dropped += 1
            return
        self._queue.put(item)
        if self._thread is None:
            self._thread = Thread(target=self._run, name=f"cogitate {self._what}", daemon=True)
            self._thread.start()

    def close(self, seconds: float = 5.0) -> bool:
        """Handle what waits, for at most `seconds`; tell whether all of it has been."""
        self._closed = True
        if self._thread is None:
            return True
        self._queue.put(None)
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while (item := self._queue.get()) is not None:
            reason = "too many at once"
            try:
                self._handle(item)
            except Exception as failure:  # noqa: BLE001 - one that cannot be handled must not end the others
                self.dropped += 1
                reason = _reason(failure)
            self._tell(reason)

    def _tell(self, reason: str) -> None:
        now = time.monotonic()
        if self.dropped > self._told and now >= self._quiet_until:
            _log.warning("%d %s were dropped: %s", self.dropped - self._told, self._what, reason)
            self._told, self._quiet_until = self.dropped, now + _SELDOM


def _reason(failure: Exception) -> str:
    """Return what failed and where; not in its own words, which may hold what was being written."""
    what = (isinstance(failure, OSError) and failure.strerror) or type(failure).__name__
    frames = extract_tb(failure.__traceback__)
    return f"{what} ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else what
