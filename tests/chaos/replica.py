"""The fake vLLM for tests that hurt it: it remembers what it has generated, and when it became idle.

`python -m tests.chaos.replica PORT`. Answers from memory make the tests' timing depend on the faults alone.
"""

import asyncio
import signal
import sys
import time
from typing import Any

from aiohttp import web

from tests.fakes.faults import Misbehaviour, Trouble
from tests.fakes.rows import Chunk, Model, Order
from tests.fakes.vllm import FakeVLLM


class Remembering(Model):
    """The same order gives the same rows, as its seed says: also when it comes while these are generated."""

    def __init__(self) -> None:
        super().__init__()
        self._known = dict[tuple[Any, ...], asyncio.Task[list[list[Chunk]]]]()

    async def rows(self, ids: tuple[int, ...], order: Order) -> list[list[Chunk]]:
        """Generate all choices of one prompt, or recall them."""
        key = (ids, order.n, order.seed, order.temperature, order.top_p, order.max_tokens, order.stops)
        if key not in self._known:
            self._known[key] = asyncio.create_task(super().rows(ids, order))
        return await asyncio.shield(self._known[key])


class Recorded(Misbehaviour):
    """Knows what has become of each call."""

    def __init__(self) -> None:
        super().__init__()
        self._troubles = list[Trouble]()

    def next(self) -> Trouble:
        """Return what is to happen to the next call."""
        self._troubles.append(super().next())
        return self._troubles[-1]

    @property
    def troubled(self) -> int:
        """How many replies have come to the fault in their middle."""
        return sum(bool(t.fault.kind) and t.chunks > t.fault.after_chunks for t in self._troubles)


class Replica(FakeVLLM):
    """Names a `retry_after` in its 503s, where it is told one. Its /stats tell two things more.

    `troubled` is the number of replies whose fault has come, `idle_at` the time since when nothing runs, in seconds
    of the machine's monotonic clock, which all processes share.
    """

    def __init__(self) -> None:
        self._running, self._idle_at = 0, 0.0
        super().__init__()
        self._model = Remembering()
        self._misbehaviour = self._troubles = Recorded()
        self._retry_after: str | None = None

    @property
    def running(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Choices under way."""
        return self._running

    @running.setter
    def running(self, choices: int) -> None:
        if self._running and not choices:
            self._idle_at = time.monotonic()
        self._running = choices

    def fail(self, kind: str | None, *, retry_after: str | None = None, **how: Any) -> None:
        """Misbehave from the next call on."""
        super().fail(kind, **how)
        self._retry_after = retry_after

    async def _stats(self, _: web.Request) -> web.Response:
        told = {"running": self.running, "idle_at": self._idle_at, "troubled": self._troubles.troubled}
        return web.json_response(self.stats | told)

    async def _answer(
        self, request: web.Request, body: dict[str, Any], ids: tuple[int, ...], kind: str
    ) -> web.StreamResponse:
        reply = await super()._answer(request, body, ids, kind)
        if self._retry_after and reply.status == 503:
            reply.headers["Retry-After"] = self._retry_after
        return reply


async def _main(port: int) -> None:
    ended, replica = asyncio.Event(), Replica()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    await replica.start(port)
    await ended.wait()
    await replica.aclose()


if __name__ == "__main__":
    asyncio.run(_main(int(sys.argv[1])))
