"""From solutions to rewards: a family lays each out, the batcher has it read, the family says what the numbers mean."""

import asyncio
import logging
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import isfinite

from .batching import Batcher, BatchLimits, Watch
from .ports import Family, Host, HostError, Item, Passage, Reading, TooLong, Unusable

_log = logging.getLogger(__name__)

_SLICE = 16
_SLICE_CHARACTERS = 65_536
"""Items that are laid out in one go, and their text: a request of a thousand must not hold up one of three."""

_DENSEST = 16
"""Characters per token that no text has on average: one with more is not worth the seconds of counting its tokens."""

_TRIAL = Item("What is 1 + 1?", ("1 + 1 = 2.",))


@dataclass(frozen=True, slots=True)
class Judged:
    """One reward in [0, 1] per step. `total` tokens were read, of which `computed` were not known before."""

    rewards: tuple[float, ...]
    total: int
    computed: int


Fault = TooLong | HostError | ValueError
"""Why one item has no rewards: too long, not read, or not to be expressed to this model."""


class Judge:
    """A reward model that is loaded. `open` it, and close it when its callers have gone."""

    def __init__(self, family: Family, host: Host, limits: BatchLimits, watch: Watch) -> None:
        self._family, self._host = family, host
        self._batcher = Batcher(host, limits, watch)
        self._tokenizing = ThreadPoolExecutor(1, "layout")  # tokenizers are not made for two threads

    @property
    def queued(self) -> int:
        """Tokens that wait."""
        return self._batcher.queued

    async def open(self) -> None:
        """Begin, with a solution of our own: afterwards the model is known to answer. Raises HostError."""
        self._batcher.start()
        outcome = (await self.judge([_TRIAL]))[0]
        if not isinstance(outcome, Judged):
            raise HostError(f"the model cannot judge a single step: {outcome}")

    async def aclose(self) -> None:
        """End what is under way."""
        await self._batcher.aclose()
        self._tokenizing.shutdown(wait=False, cancel_futures=True)

    async def judge(self, items: Sequence[Item]) -> list[Judged | Fault]:
        """Return rewards, or why there are none, for each item in order. Raises QueueFull."""
        self._batcher.admit(0)
        laid_out = await self._lay_out(items)
        readings = iter(await self._batcher.read([p for p in laid_out if isinstance(p, Passage)]))
        return [
            self._judged(item, passage, next(readings)) if isinstance(passage, Passage) else passage
            for item, passage in zip(items, laid_out, strict=True)
        ]

    async def _lay_out(self, items: Sequence[Item]) -> list[Passage | Fault]:
        loop = asyncio.get_running_loop()
        passages = list[Passage | Fault]()
        for part in _slices(items):
            passages += await loop.run_in_executor(self._tokenizing, self._lay_out_now, part)
        return passages

    def _lay_out_now(self, items: Sequence[Item]) -> list[Passage | Fault]:
        return [self._laid_out(item) for item in items]

    def _laid_out(self, item: Item) -> Passage | Fault:
        most = self._host.context
        if _characters(item) > _DENSEST * most:
            return TooLong(most, most, more=True)
        try:
            passage = self._family.lay_out(item)
        except (TooLong, ValueError) as fault:
            return fault
        except Exception:  # noqa: BLE001 - a tokenizer's own faults are of every kind, and cost this item only
            _log.exception("an item could not be laid out")
            return HostError("the item could not be laid out")
        most = min(most, item.max_tokens or most)
        return passage if len(passage.tokens) <= most else TooLong(len(passage.tokens), most)

    def _judged(self, item: Item, passage: Passage, reading: Reading | HostError) -> Judged | Fault:
        if isinstance(reading, HostError):
            return reading
        try:
            rewards = self._family.rewards(passage, reading.values)
        except HostError as failure:
            return Unusable(*failure.args)
        if len(rewards) != len(item.steps) or not all(isfinite(r) and 0.0 <= r <= 1.0 for r in rewards):
            return Unusable("the model's numbers do not make one reward per step")
        total = len(passage.tokens)
        return Judged(rewards, total, min(reading.computed, total))


def _characters(item: Item) -> int:
    return len(item.problem) + sum(map(len, item.steps))


def _slices(items: Sequence[Item]) -> Iterator[list[Item]]:
    """Share items out over slices; one that is larger than a slice goes alone."""
    part, size = list[Item](), 0
    for item in items:
        size += _characters(item)
        if part and (len(part) == _SLICE or size > _SLICE_CHARACTERS):
            yield part
            part, size = [], _characters(item)
        part.append(item)
    if part:
        yield part
