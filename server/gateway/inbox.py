"""What a search reports, on its way to a client: nothing here is set up anew for each token."""

import asyncio
from types import TracebackType
from typing import Self

from router.events import Event


class Inbox:
    """Events in their order, for one reader who also wants to hear that there is silence."""

    def __init__(self, silence: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._silence = silence
        self._events = list[Event | None]()
        self._waiting: asyncio.Future[None] | None = None
        self._since = 0.0
        self._timer = self._loop.call_later(silence, self._look)

    def put(self, event: Event | None) -> None:
        """Add an event; None stands behind the last."""
        self._events.append(event)
        self._wake()

    async def batch(self) -> list[Event | None]:
        """Return all the events there are, waiting for the first; none after `silence` seconds without any."""
        if not self._events:
            self._since, self._waiting = self._loop.time(), self._loop.create_future()
            await self._waiting
        batch, self._events = self._events, []
        return batch

    def close(self) -> None:
        """Listen no more."""
        self._timer.cancel()

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    def _look(self) -> None:
        """Wake a reader who has waited for so long; look again when one could have."""
        waits = self._waiting is not None and not self._waiting.done()
        left = self._since + self._silence - self._loop.time() if waits else self._silence
        if left <= 0:
            self._wake()
        self._timer = self._loop.call_later(left if left > 0 else self._silence, self._look)


class Patience:
    """Bounds each of many waits by `seconds`, with one timer: the block in which one is longer ends in TimeoutError."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._loop = asyncio.get_running_loop()
        self._since: float | None = None
        self._scope = asyncio.timeout(None)
        self._timer: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> Self:
        await self._scope.__aenter__()
        self._look()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        if self._timer:
            self._timer.cancel()
        return await self._scope.__aexit__(kind, error, trace)

    def begin(self) -> None:
        """Note that a wait begins."""
        self._since = self._loop.time()

    def end(self) -> None:
        """Note that it has ended."""
        self._since = None

    @property
    def lost(self) -> bool:
        """Whether a wait has lasted too long."""
        return self._scope.expired()

    def _look(self) -> None:
        now = self._loop.time()
        left = self._seconds if self._since is None else self._since + self._seconds - now
        if left <= 0:
            self._scope.reschedule(now)
        else:
            self._timer = self._loop.call_later(left, self._look)
