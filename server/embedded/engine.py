"""One thread per model. Any number of asyncio tasks order from it; it batches them all.

The event loop never computes and never waits for the thread: orders go through a queue, and what a step has
finished comes back in one call per step and loop.
"""

import asyncio
import threading
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import suppress
from math import inf
from queue import Empty, SimpleQueue
from typing import Any

from .decoding import Decoder
from .llama import Llama
from .orders import Charge, Completion, DecodeOrder, Judgement, Passage, Request, ScoreOrder
from .prefixes import PrefixTree
from .scoring import Scoring

Order = DecodeOrder | ScoreOrder
_Mailbox = tuple[asyncio.AbstractEventLoop, "asyncio.Queue[Any]"]


class EngineError(Exception):
    """The engine could not carry out an order: its computation failed, or it is not running."""


class Engine:
    """Serves one model. `start()` it before the first order; `aclose()` ends the thread and fails what is open."""

    def __init__(
        self,
        model: Llama,
        *,
        banned: Sequence[int] = (),
        max_rows: int = 256,
        cache_bytes: int = 64 * 2**20,
        clock: Callable[[], float] = time.monotonic,
        name: str = "engine",
    ) -> None:
        self.model, self.clock = model, clock
        self.prefixes = PrefixTree(cache_bytes)
        self._decoder = Decoder(model, self.prefixes, banned, max_rows, clock)
        self._scoring = Scoring(model, self.prefixes)
        self._inbox: SimpleQueue[Order | None] = SimpleQueue()
        self._mailboxes: dict[Order, _Mailbox] = {}
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._open = False

    @property
    def live(self) -> int:
        """Rows being decoded, as of the last step."""
        return self._decoder.live

    def start(self) -> None:
        """Start the thread. An engine starts once."""
        self._thread.start()
        self._open = True

    async def aclose(self) -> None:
        """End the thread after its present step; whoever still waits gets an EngineError. May be called twice."""
        if self._thread.is_alive():
            self._open = False
            self._inbox.put(None)
            await asyncio.to_thread(self._thread.join)

    async def generate(self, request: Request, charge: Charge) -> AsyncGenerator[tuple[int, Completion]]:
        """Yield (index, completion) for every seed, as they end. Closing the iterator drops the rows left.

        `charge` grows by every token generated until then. Raises EngineError.
        """
        self._check(request.tokens)
        if not (0.0 <= request.temperature < inf and 0.0 <= request.top_p <= 1.0):
            raise EngineError(f"cannot sample at temperature {request.temperature} and top_p {request.top_p}")
        if not request.seeds:
            return
        order = DecodeOrder(request, charge)
        inbox = self._submit(order)
        try:
            for _ in request.seeds:
                index, completion = _checked(await inbox.get())
                yield index, completion
        finally:
            self._withdraw(order)

    async def score(self, passages: Sequence[Passage]) -> Judgement:
        """Judge passages; cancelling drops them. Raises EngineError."""
        for passage in passages:
            self._check(passage.tokens)
            if passage.start < 1:
                raise EngineError("the first token of a sequence has no probability")
        order = ScoreOrder(tuple(passages))
        inbox = self._submit(order)
        try:
            return _checked(await inbox.get())
        finally:
            self._withdraw(order)

    def _check(self, tokens: Sequence[int]) -> None:
        """Refuse here what would break the step that others share."""
        config = self.model.config
        if not 0 < len(tokens) <= config.context:
            raise EngineError(f"a sequence has {len(tokens)} tokens, it must have 1 to {config.context}")
        if not 0 <= min(tokens) <= max(tokens) < config.vocabulary:
            raise EngineError(f"a token is outside the vocabulary of {config.vocabulary}")

    def _submit(self, order: Order) -> "asyncio.Queue[Any]":
        if not self._open:
            raise EngineError("the engine is not running")
        inbox: asyncio.Queue[Any] = asyncio.Queue()
        self._mailboxes[order] = asyncio.get_running_loop(), inbox
        self._inbox.put(order)
        return inbox

    def _withdraw(self, order: Order) -> None:
        order.cancelled = True
        self._mailboxes.pop(order, None)

    # From here on: the engine's thread.

    def _run(self) -> None:
        while self._work():
            pass
        self._fail(EngineError("the engine is closed"))

    def _work(self) -> bool:
        """Take new orders and make one step; return False at the end."""
        orders = self._take()
        if None in orders:
            return False
        try:
            for order in orders:
                self._accept(order)
            self._deliver([(order, (index, completion)) for order, index, completion in self._decoder.step()])
            self._deliver(self._scoring.step())
        except Exception as error:  # noqa: BLE001 - whatever it was, those who wait must hear of it
            failure = EngineError(f"the engine failed: {error!r}")
            failure.__cause__ = error
            self._fail(failure)
        return True

    def _take(self) -> list[Order | None]:
        """Return what has been ordered since the last step; wait for it when there is nothing else to do."""
        busy = self._decoder.busy or self._scoring.busy
        orders = [] if busy else [self._inbox.get()]
        with suppress(Empty):
            while True:
                orders.append(self._inbox.get_nowait())
        return orders

    def _accept(self, order: Order | None) -> None:
        if isinstance(order, DecodeOrder):
            self._decoder.submit(order)
        elif isinstance(order, ScoreOrder):
            self._scoring.submit(order)

    def _deliver(self, results: Sequence[tuple[Order, Any]]) -> None:
        posts: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Queue[Any], Any]]] = {}
        for order, result in results:
            if mailbox := self._mailboxes.get(order):  # else nobody waits for it any more
                loop, inbox = mailbox
                posts.setdefault(loop, []).append((inbox, result))
        for loop, letters in posts.items():
            _call(loop, _post, letters)

    def _fail(self, failure: EngineError) -> None:
        """Tell everyone who waits, and begin again with nothing."""
        self._decoder.reset()
        self._scoring.reset()
        self.prefixes.clear()
        self._deliver([(order, failure) for order in tuple(self._mailboxes)])


def _checked(letter: Any) -> Any:
    if isinstance(letter, EngineError):
        raise letter
    return letter


def _post(letters: list[tuple["asyncio.Queue[Any]", Any]]) -> None:
    for inbox, letter in letters:
        inbox.put_nowait(letter)


def _call(loop: asyncio.AbstractEventLoop, function: Callable[..., None], *arguments: Any) -> None:
    with suppress(RuntimeError):  # the loop is closed: nobody is there to be told
        loop.call_soon_threadsafe(function, *arguments)
