"""Reward models in this process, with torch: exact, incremental, on one thread of their own."""

import asyncio
import logging
import threading
import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any, TypeVar

import torch

from ..ports import Head, HostError, Passage, Reading, TokenLogprobs, TooLong
from ..prefixes import PrefixTree
from .forest import States, compute, read
from .heads import Model, load
from .proof import prove
from .room import cache_room

T = TypeVar("T")

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TransformersOptions:
    """How a model is run.

    `device` "auto" is a GPU if there is one. `dtype` "auto" is bfloat16 there and float32 on a CPU. `threads` are
    those of one operation (OpenMP); None leaves torch its own choice. `context` can only lower the model's own.
    """

    name: str | None = None
    device: str = "auto"
    dtype: str = "auto"
    threads: int | None = None
    context: int | None = None
    cache_tokens: int | None = None
    """Tokens whose keys and values are kept between calls, and one batch more; with 0 nothing is shared at all.

    None keeps on a GPU what `memory_share` of the memory holds that is free once the model is loaded, else 32,768.
    """
    memory_share: float = 0.5
    batch_tokens: int = 2_048
    """The most new tokens in a pass through the model, which bounds its memory: what is new times what it sees."""


@dataclass(frozen=True, slots=True)
class _Taken:
    """A passage of a pass: its place, the tree it is in, and how many of its tokens were new there."""

    index: int
    tree: PrefixTree[States]
    new: int


class TransformersHost:
    """Runs one model of a folder or of the Hugging Face hub. What it computed once it does not compute again.

    A passage that begins like an earlier one, or like another of its batch, costs only what is new in it, until the
    cache is full and forgets what was not used for longest. Its outputs are the same either way.
    """

    def __init__(self, model: str | FilePath, head: Head, options: TransformersOptions | None = None) -> None:
        self._source, self._head, self._options = str(model), head, options or TransformersOptions()
        self._worker = ThreadPoolExecutor(1, "reward-model")
        self._tree, self._room = PrefixTree[States](0), 0
        self._closing = threading.Event()
        self._model: Model | None = None
        self._context = 0

    @property
    def name(self) -> str:
        """The model's name."""
        return self._options.name or FilePath(self._source).name

    @property
    def context(self) -> int:
        """The most tokens a passage may have; 0 until it has started."""
        return self._context

    @property
    def cached(self) -> int:
        """Tokens that are kept at present."""
        return self._tree.tokens

    async def start(self) -> None:
        """Load the model, and try it. Raises HostError."""
        await self._run(self._load)

    async def aclose(self) -> None:
        """End the thread after its present pass, and free the memory. May be called twice."""
        self._closing.set()
        await asyncio.to_thread(self._worker.shutdown, cancel_futures=True)
        self._model, self._context = None, 0
        self._tree.clear()
        if torch.cuda.is_available():  # pragma: no cover - where there is one
            torch.cuda.empty_cache()

    async def read(self, passages: Sequence[Passage]) -> list[Reading]:
        """Read passages, in order. Cancelling ends the work after the present pass. Raises HostError, TooLong."""
        if (model := self._model) is None:
            raise HostError(f"{self.name} is not loaded")
        for passage in passages:
            self._check(passage, model.decoder.config.vocab_size)
        gone = threading.Event()
        try:
            return await self._run(lambda: self._read(model, passages, gone))
        except asyncio.CancelledError:
            gone.set()
            raise

    async def _run(self, work: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._worker, work)
        except RuntimeError as error:
            raise HostError(f"{self.name} cannot be asked: {error}") from error

    def _check(self, passage: Passage, vocabulary: int) -> None:
        if len(passage.tokens) > self._context:
            raise TooLong(len(passage.tokens), self._context)
        if not passage.tokens or not 0 <= min(passage.tokens) <= max(passage.tokens) < vocabulary:
            raise HostError(f"a passage needs tokens of the vocabulary of {vocabulary}")
        first = 1 if isinstance(self._head, TokenLogprobs) else 0  # nothing stands before the first token
        if passage.reads and not first <= min(passage.reads) <= max(passage.reads) < len(passage.tokens):
            raise HostError("a passage is read where it has no token")

    # From here on: the worker's thread.

    def _load(self) -> None:
        try:
            self._load_now()
        except HostError:
            raise
        except Exception as error:  # a device that is missing or full has many names
            raise HostError(f"cannot load {self._source}: {error!r}") from error

    @torch.inference_mode()
    def _load_now(self) -> None:
        options = self._options
        if options.threads is not None:
            torch.set_num_threads(options.threads)
        device, dtype = _place(options)
        model = load(self._source, self._head, device, dtype)
        prove(model)
        self._room = cache_room(model, options.memory_share) if options.cache_tokens is None else options.cache_tokens
        self._tree = PrefixTree[States](self._room)
        _log.info("%s keeps what it computed for %d tokens", self.name, self._room)
        config = model.decoder.config
        windows = (config.max_position_embeddings, getattr(config, "sliding_window", None), options.context)
        self._context = min(window for window in windows if window)
        self._model = model

    @torch.inference_mode()
    def _read(self, model: Model, passages: Sequence[Passage], gone: threading.Event) -> list[Reading]:
        readings = dict[int, Reading]()
        # In lexicographic order siblings are neighbours, so that they share a pass.
        waiting = sorted(range(len(passages)), key=lambda i: passages[i].tokens, reverse=True)
        while waiting:
            self._go_on(gone)
            readings |= self._tried(lambda: self._pass(model, passages, waiting, gone))
        return [readings[i] for i in range(len(passages))]

    def _tried(self, work: Callable[[], T]) -> T:
        """Return what `work` does. When it fails, keep nothing of it: its tensors would be missing at the next try."""
        try:
            return work()
        except HostError:
            raise
        except Exception as error:  # noqa: BLE001 - out of memory, for one: whoever waits must hear of it
            reason = repr(error)
            traceback.clear_frames(error.__traceback__)
        self._tree.clear()
        if torch.cuda.is_available():  # pragma: no cover - where there is one
            torch.cuda.empty_cache()
        raise HostError(f"{self.name} failed: {reason}")

    def _pass(
        self, model: Model, passages: Sequence[Passage], waiting: list[int], gone: threading.Event
    ) -> dict[int, Reading]:
        """Take as many passages as one pass through the model holds, and read them."""
        taken = self._take(model, passages, waiting, gone)
        group = [passages[t.index] for t in taken]
        paths = [t.tree.path(passage.tokens) for t, passage in zip(taken, group, strict=True)]
        compute(model.decoder, paths, model.readout.width)
        values = read(model.readout, paths, group)
        if all(value.isfinite().all() for value in values):
            self._tree.trim()
        else:  # what is built on such states is as bad, and they would stay
            self._tree.clear()
        return {t.index: Reading(value.numpy(), t.new) for t, value in zip(taken, values, strict=True)}

    def _take(
        self, model: Model, passages: Sequence[Passage], waiting: list[int], gone: threading.Event
    ) -> list[_Taken]:
        """Take passages for one pass, and of a first one that is longer compute all but what is left for the pass."""
        taken, distinct, new, whole = list[_Taken](), PrefixTree[States](0), 0, 0
        limit = self._options.batch_tokens
        while waiting:
            tokens = passages[waiting[-1]].tokens
            tree = self._tree if self._room else PrefixTree[States](0)
            own = len(tokens) - tree.known(tokens)
            new, whole = new + own, whole + len(tokens) - distinct.known(tokens)
            if taken and (new > limit or whole > 4 * limit):  # what is known has to be looked at, too
                break
            self._advance(model, tree, tokens, gone)
            tree.insert(tokens)
            distinct.insert(tokens)
            taken.append(_Taken(waiting.pop(), tree, own))
        return taken

    def _advance(self, model: Model, tree: PrefixTree[States], tokens: Sequence[int], gone: threading.Event) -> None:
        """Compute of a long passage a pass's worth at a time, until one is left: at once the mask would be square."""
        limit = self._options.batch_tokens
        for stop in range(tree.known(tokens) + limit, len(tokens), limit):
            self._go_on(gone)
            tree.insert(tokens[:stop])
            compute(model.decoder, [tree.path(tokens[:stop])], model.readout.width)

    def _go_on(self, gone: threading.Event) -> None:
        if gone.is_set() or self._closing.is_set():
            raise HostError("nobody waits for this any more")


def check_device(device: str) -> None:
    """Raise ValueError for a device that is not in this machine; "auto" always is."""
    if device == "auto":
        return
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, ValueError) as error:
        raise ValueError(f"torch has no device {device!r} here: {str(error).splitlines()[0]}") from error


def _place(options: TransformersOptions) -> tuple[torch.device, torch.dtype]:
    auto = "cuda" if torch.cuda.is_available() else "cpu"
    device = torch.device(auto if options.device == "auto" else options.device)
    if options.dtype == "auto":
        return device, torch.float32 if device.type == "cpu" else torch.bfloat16
    dtype: Any = getattr(torch, options.dtype, None)
    if not isinstance(dtype, torch.dtype):
        raise HostError(f"torch has no type {options.dtype!r}")
    return device, dtype
