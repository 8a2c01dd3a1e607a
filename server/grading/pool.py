"""A few worker processes, asked in turn from the event loop: started when needed, replaced when they fail."""

import asyncio
import json
import logging
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from contextlib import suppress

from .verdict import GraderOptions

_SECONDS_TO_START = 60.0
_SECONDS_TO_END = 2.0
_GRACE = 1.0
"""Beyond an item's time, until the worker itself is given up: it kills and forks within milliseconds."""

_READY = b'"ready"\n'
_LOG = logging.getLogger(__name__)


class Allowance:
    """Seconds of workers' time that a call may still use, of which no single question gets more than `item`."""

    def __init__(self, item: float, call: float) -> None:
        self._item, self.left = item, call

    @property
    def next(self) -> float:
        """What the next question gets."""
        return min(self._item, self.left)

    @property
    def whole(self) -> bool:
        """Whether the next question gets all that one may have."""
        return self.left >= self._item


class Pool:
    """Questions wait first come, first served; each worker answers one at a time."""

    def __init__(self, options: GraderOptions) -> None:
        self._turn = asyncio.Semaphore(options.workers)
        self._idle = [Worker(options.memory) for _ in range(options.workers)]
        self._asking = set[asyncio.Task[str | None]]()

    async def ask(self, texts: tuple[str, ...], allowance: Allowance) -> str | None:
        """Return what a worker says of `texts`, or None: see `worker.respond`. Waiting for a turn takes no allowance.

        A question whose asker is cancelled is still answered, to nobody: that ends within its time.
        """
        await self._turn.acquire()
        task = asyncio.create_task(self._asked(texts, allowance))
        self._asking.add(task)
        task.add_done_callback(self._asking.discard)
        return await asyncio.shield(task)

    async def close(self) -> None:
        """End all workers; whoever still waits for one is cancelled."""
        asking = list(self._asking)
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)
        await asyncio.gather(*(worker.close() for worker in self._idle))

    async def _asked(self, texts: tuple[str, ...], allowance: Allowance) -> str | None:
        worker = self._idle.pop()  # the one asked last: it runs, and its caches are warm
        try:
            return await worker.ask(texts, allowance)
        finally:
            self._idle.append(worker)
            self._turn.release()


class Worker:
    """One process, or none yet. What goes wrong with it is logged, and answered with None."""

    def __init__(self, memory: int) -> None:
        self._memory = memory
        self._process: Process | None = None

    async def ask(self, texts: tuple[str, ...], allowance: Allowance) -> str | None:
        """Return its answer. The process starts first when there is none; that takes no allowance."""
        try:
            async with asyncio.timeout(_SECONDS_TO_START):
                process = self._process or await self._started()
            return await _exchange(process, texts, allowance)
        except (OSError, EOFError, TimeoutError, ValueError) as fault:
            _LOG.warning("a grading worker is replaced: %r", fault)
            await self.close()
            return None
        except asyncio.CancelledError:
            await self.close()
            raise

    async def close(self) -> None:
        """End the process, gently if it listens, and wait for it."""
        process, self._process = self._process, None
        if process is None:
            return
        with suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(_SECONDS_TO_END):
                await process.communicate()
        except TimeoutError:
            with suppress(ProcessLookupError):
                process.kill()
            await process.communicate()

    async def _started(self) -> Process:
        command = (sys.executable, "-m", "server.grading.worker", str(self._memory))
        self._process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, stderr=DEVNULL)
        if await _line(self._process) != _READY:
            raise EOFError("it did not start; is math-verify installed?")
        return self._process


async def _exchange(process: Process, texts: tuple[str, ...], allowance: Allowance) -> str | None:
    assert process.stdin is not None  # noqa: S101 - it was started with pipes
    request = {"texts": texts, "seconds": allowance.next}
    start = asyncio.get_running_loop().time()
    try:
        async with asyncio.timeout(allowance.next + _GRACE):
            process.stdin.write(json.dumps(request).encode() + b"\n")
            await process.stdin.drain()
            line = await _line(process)
    finally:
        allowance.left -= asyncio.get_running_loop().time() - start
    if not line:
        raise EOFError("it ended")
    return json.loads(line)


async def _line(process: Process) -> bytes:
    assert process.stdout is not None  # noqa: S101 - as above
    return await process.stdout.readline()
