"""Test parts: a family whose rewards can be foretold, and a host that is driven by the test."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from server.prm.ports import ClassLogits, Floats, Head, HostError, Item, Passage, Reading, TooLong


@dataclass
class FakeFamily:
    """A token per character. The reward of a step is what `truth` says of its text.

    A step with `forbidden` in it cannot be laid out, and the fake model has no number for a passage with ☠ in it.
    """

    name: str = "fake"
    head: Head = field(default_factory=ClassLogits)
    forbidden: str = "<sep>"

    def lay_out(self, item: Item) -> Passage:
        text, reads = item.problem, list[int]()
        for step in item.steps:
            if self.forbidden in step:
                raise ValueError(f"a step must not hold {self.forbidden}")
            if "enormous" in step:
                raise TooLong(10**6, 10**3)
            if "crash" in step:
                raise RuntimeError("the tokenizer has a bad day")
            text += step
            reads.append(len(text) - 1)
        tokens = tuple(map(ord, text))
        return Passage(tokens, tuple(reads), tuple((i, i + 1) for i in range(len(reads))))

    def rewards(self, passage: Passage, values: Floats) -> tuple[float, ...]:
        if not np.isfinite(values).all():
            raise HostError("a reward is not finite")
        return tuple(float(values[a, 0]) for a, _ in passage.spans)


def number(passage: Passage, read: int) -> float:
    """What the fake model puts out at a position: a function of the tokens up to it, so that mix-ups are seen."""
    return round(sum(passage.tokens[: read + 1]) % 997 / 997, 6)


def truth(problem: str, steps: Sequence[str]) -> list[float]:
    """The rewards the fakes give."""
    passage = FakeFamily().lay_out(Item(problem, tuple(steps)))
    return [number(passage, read) for read in passage.reads]


@dataclass
class FakeHost:
    """Answers truly after `seconds`; `gate` holds it up, `poison` is a token it chokes on, `fault` fails all it reads.

    `started` fails as long as `failures` are left.
    """

    name: str = "fake"
    context: int = 4096
    seconds: float = 0.0
    poison: int | None = None
    fault: Exception | None = None
    failures: int = 0
    gate: asyncio.Event | None = None
    loaded: asyncio.Event | None = None
    batches: list[list[Passage]] = field(default_factory=list[list[Passage]])
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    busy: int = 0
    busiest: int = 0
    closed: int = 0

    async def start(self) -> None:
        if self.loaded:
            await self.loaded.wait()
        if self.failures:
            self.failures -= 1
            raise HostError("no such model yet")

    async def aclose(self) -> None:
        self.closed += 1

    async def read(self, passages: Sequence[Passage]) -> list[Reading]:
        self.batches.append(list(passages))
        self.busy += 1
        self.busiest = max(self.busy, self.busiest)
        self.arrived.set()
        try:
            if self.gate:
                await self.gate.wait()
            await asyncio.sleep(self.seconds)
        finally:
            self.busy -= 1
        if self.fault:
            raise self.fault
        if self.poison is not None and any(self.poison in p.tokens for p in passages):
            raise HostError("the model choked")
        return [Reading(_values(p), len(p.tokens)) for p in passages]


def _values(passage: Passage) -> Floats:
    values = np.array([[number(passage, read)] for read in passage.reads], np.float32)
    if ord("☠") in passage.tokens:
        values[-1] = np.nan
    return values.reshape(-1, 1)


@dataclass
class Ear:
    """A `Watch` that remembers."""

    waiting: tuple[int, int] = (0, 0)
    read_: list[tuple[int, int, float, float]] = field(default_factory=list[tuple[int, int, float, float]])
    failures: int = 0

    def queued(self, items: int, tokens: int) -> None:
        self.waiting = (items, tokens)

    def read(self, items: int, tokens: int, waited: float, seconds: float) -> None:
        self.read_.append((items, tokens, waited, seconds))

    def failed(self) -> None:
        self.failures += 1
