"""Passages of all requests, brought together for one host: a model reads sixteen texts hardly slower than one.

Passages wait in one queue. A batch starts when it is full, or when its oldest passage has waited long enough; it always
takes the oldest, so nothing starves, and fills up with the passages nearest to it in length, so little is padded.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from heapq import nsmallest
from itertools import chain
from typing import Any, Protocol

from .ports import Host, HostError, Passage, Reading
from .prefixes import PrefixTree

_log = logging.getLogger(__name__)


class QueueFull(Exception):
    """There is no room for these passages now."""


class Closed(HostError):
    """The server stops."""


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """What bounds a batch and the queue.

    A batch has at most `items` passages and `tokens` tokens, counted as if padded, passages x longest; or each common
    beginning once, if the host has them `shared`. One passage longer than that goes alone. The oldest waits `wait`
    seconds for company. Up to `queue_tokens` may wait, one request of any size always. `lanes` batches are read at the
    same time, each for `read_seconds` at the most.
    """

    items: int = 32
    tokens: int = 16384
    wait: float = 0.005
    queue_tokens: int = 262144
    lanes: int = 1
    shared: bool = False
    read_seconds: float = 120.0


class Watch(Protocol):
    """Hears what the queue does."""

    def queued(self, items: int, tokens: int) -> None:
        """Hear how many passages wait now, and their tokens."""
        ...

    def read(self, items: int, tokens: int, waited: float, seconds: float) -> None:
        """Hear of a batch that took `seconds`; its oldest passage had waited `waited` seconds before."""
        ...

    def failed(self) -> None:
        """Hear that the host could not read a batch."""
        ...


@dataclass(eq=False, slots=True)
class _Entry:
    passage: Passage
    arrived: float
    done: "asyncio.Future[Reading | HostError]"
    size: int = field(init=False)

    def __post_init__(self) -> None:
        self.size = len(self.passage.tokens)


class Batcher:
    """Reads passages of any number of callers, each caller's in its order."""

    def __init__(self, host: Host, limits: BatchLimits, watch: Watch) -> None:
        self._host, self._limits, self._watch = host, limits, watch
        self._queue = OrderedDict[_Entry, None]()
        self._tokens = 0
        self._changed = asyncio.Event()
        self._lanes = asyncio.Semaphore(limits.lanes)
        self._batches = dict[asyncio.Task[None], list[_Entry]]()
        self._dispatching: asyncio.Task[None] | None = None
        self._closed = False

    @property
    def queued(self) -> int:
        """Tokens that wait."""
        return self._tokens

    def start(self) -> None:
        """Begin to read. Needs a running event loop."""
        self._dispatching = asyncio.create_task(self._dispatch())

    async def aclose(self) -> None:
        """Stop reading. What has not been read gets `Closed`."""
        self._closed = True
        for entry in (*self._queue, *chain.from_iterable(self._batches.values())):
            _tell(entry, Closed("the server stops"))
        tasks = [*self._batches, *((self._dispatching,) if self._dispatching else ())]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def admit(self, tokens: int) -> None:
        """Raise QueueFull if so many tokens cannot be queued now."""
        if self._tokens and self._tokens + tokens > self._limits.queue_tokens:
            raise QueueFull

    async def read(self, passages: Sequence[Passage]) -> list[Reading | HostError]:
        """Return a reading, or why there is none, for each passage in order. Raises QueueFull, and queues none then.

        A caller that is cancelled takes what still waits out of the queue, and ends a batch that has only its own.
        """
        if self._closed:
            return [Closed("the server stops") for _ in passages]
        self.admit(sum(len(passage.tokens) for passage in passages))
        loop = asyncio.get_running_loop()
        entries = [_Entry(passage, loop.time(), loop.create_future()) for passage in passages]
        for entry in entries:
            self._put(entry)
        try:
            return await asyncio.gather(*(entry.done for entry in entries))
        finally:
            for entry in entries:
                self._drop(entry)
            self._abandon()

    def _put(self, entry: _Entry) -> None:
        self._queue[entry] = None
        self._tokens += entry.size
        self._changed.set()
        self._watch.queued(len(self._queue), self._tokens)

    def _drop(self, entry: _Entry) -> None:
        if entry in self._queue:
            del self._queue[entry]
            self._tokens -= entry.size
            self._watch.queued(len(self._queue), self._tokens)

    def _abandon(self) -> None:
        """End the batches that nobody waits for: the lane is wanted."""
        for task, batch in self._batches.items():
            if all(entry.done.done() for entry in batch):
                task.cancel()

    async def _dispatch(self) -> None:
        while True:
            await self._lanes.acquire()
            await self._due()
            batch = self._take()
            task = asyncio.create_task(self._run(batch))
            self._batches[task] = batch
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        del self._batches[task]
        self._lanes.release()

    async def _due(self) -> None:
        """Return when a batch should start; something is queued then."""
        while not self._full():
            self._changed.clear()
            oldest = next(iter(self._queue), None)
            try:
                async with asyncio.timeout_at(oldest and oldest.arrived + self._limits.wait):
                    await self._changed.wait()
            except TimeoutError:
                if self._queue:  # it is empty when the callers have left in this very moment
                    return

    def _full(self) -> bool:
        return len(self._queue) >= self._limits.items or self._tokens >= self._limits.tokens

    def _take(self) -> list[_Entry]:
        """Take the oldest passage out of the queue, and those nearest to it in length, shortest first."""
        oldest = next(iter(self._queue))
        batch, longest, distinct = list[_Entry](), 0, PrefixTree[Any](0)
        for entry in nsmallest(self._limits.items, self._queue, key=lambda e: abs(e.size - oldest.size)):
            tokens = max(longest, entry.size) * (len(batch) + 1)
            if self._limits.shared:
                tokens = distinct.tokens + entry.size - distinct.known(entry.passage.tokens)
            if not batch or tokens <= self._limits.tokens:
                batch.append(entry)
                longest = max(longest, entry.size)
                distinct.insert(entry.passage.tokens)
        for entry in batch:
            self._drop(entry)
        return sorted(batch, key=lambda entry: entry.size)

    async def _run(self, batch: Sequence[_Entry]) -> None:
        loop, limit = asyncio.get_running_loop(), self._limits.read_seconds
        started = loop.time()
        waited = started - min(entry.arrived for entry in batch)
        try:
            async with asyncio.timeout(limit):
                await self._read(batch)
        except TimeoutError:
            self._watch.failed()
            for entry in batch:  # those that have theirs keep it
                _tell(entry, HostError(f"the model took longer than {limit:g} seconds"))
        self._watch.read(len(batch), sum(e.size for e in batch), waited, loop.time() - started)

    async def _read(self, batch: Sequence[_Entry]) -> None:
        """Read a batch; if that fails, every passage alone, once: a passage the model chokes on costs only itself."""
        if await self._tried(batch) is None:
            return
        self._watch.failed()
        for entry in batch:
            if not entry.done.done() and (failure := await self._tried([entry])):  # its caller may have left
                _tell(entry, failure)

    async def _tried(self, batch: Sequence[_Entry]) -> HostError | None:
        """Ask, and return how it failed; without the frames, which hold what the host had in memory."""
        try:
            await self._ask(batch)
        except HostError as failure:
            return failure.with_traceback(None)
        return None

    async def _ask(self, batch: Sequence[_Entry]) -> None:
        """Have the host read each different passage once, and tell all who wait for it; the first one pays."""
        callers = dict[Passage, list[_Entry]]()
        for entry in batch:
            callers.setdefault(entry.passage, []).append(entry)
        try:
            readings = await self._host.read(list(callers))
        except HostError:
            raise
        except Exception as failure:
            _log.exception("the model failed")
            raise HostError("the model failed") from failure
        _check(list(callers), readings)
        for entries, reading in zip(callers.values(), readings, strict=True):
            _tell(entries[0], reading)
            for entry in entries[1:]:
                _tell(entry, Reading(reading.values, 0))


def _tell(entry: _Entry, outcome: Reading | HostError) -> None:
    with suppress(asyncio.InvalidStateError):  # it has its outcome, or its caller has left
        entry.done.set_result(outcome)


def _check(passages: Sequence[Passage], readings: Sequence[Reading]) -> None:
    if len(readings) != len(passages):
        raise HostError(f"{len(readings)} readings for {len(passages)} passages")
    for passage, reading in zip(passages, readings, strict=True):
        if reading.values.ndim != 2 or len(reading.values) != len(passage.reads):
            raise HostError(f"the model gave {reading.values.shape} numbers where {len(passage.reads)} are read")
