"""The life of the model behind the server: loaded beside it, tried again when that fails, closed after it."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

from server.web.readiness import Readiness

from .batching import BatchLimits, Watch
from .ports import Family, Host
from .scoring import Judge

_log = logging.getLogger(__name__)


class Loading:
    """Has the judge, once its model is loaded and has answered.

    `hosts` makes a new host for each attempt. After a failed one it waits `pause` seconds, then twice that, up to half
    a minute: a model server that is still starting is the usual reason.
    """

    def __init__(
        self, family: Family, hosts: Callable[[], Host], limits: BatchLimits, watch: Watch, pause: float = 1.0
    ) -> None:
        self._family, self._hosts, self._limits, self._watch = family, hosts, limits, watch
        self._pause = pause
        self._judge: Judge | None = None
        self.readiness = Readiness()

    @property
    def judge(self) -> Judge | None:
        """The judge; None until the model is loaded. It works on while the server drains."""
        return self._judge

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Load while inside, close at the end."""
        async with AsyncExitStack() as taken:
            loading = asyncio.create_task(self._load(taken))
            try:
                yield
            finally:
                self.readiness.drain()
                loading.cancel()
                await asyncio.gather(loading, return_exceptions=True)

    async def _load(self, taken: AsyncExitStack) -> None:
        pause = self._pause
        while not await self._attempt(taken):
            await asyncio.sleep(pause)
            pause = min(2 * pause, 30.0)

    async def _attempt(self, taken: AsyncExitStack) -> bool:
        try:
            async with AsyncExitStack() as attempt:
                host = self._hosts()
                attempt.push_async_callback(host.aclose)
                await host.start()
                judge = Judge(self._family, host, self._limits, self._watch)
                attempt.push_async_callback(judge.aclose)
                await judge.open()
                await taken.enter_async_context(attempt.pop_all())
        except Exception:  # noqa: BLE001 - whatever it is, being alive and not ready is what tells
            _log.exception("the model is not loaded; trying again")
            return False
        self._judge = judge
        self.readiness.open()
        return True
