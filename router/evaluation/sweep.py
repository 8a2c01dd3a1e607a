"""Runs every arm over every problem and says what each was worth: resumable, with all costs counted."""

import asyncio
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from hashlib import blake2b
from pathlib import Path

from ..answering import Answer, NoAnswer, answer
from ..budget import Budget
from ..plan import Policy
from ..ports import Generator, Scorer
from ..types import Problem
from .metrics import Estimate, proportion


@dataclass(frozen=True, slots=True)
class Arm:
    """One row of the table: a policy with a budget of samples."""

    strategy: str
    samples: int
    policy: Policy

    @property
    def name(self) -> str:
        """How the row is called, e.g. `dvts@16`."""
        return f"{self.strategy}@{self.samples}"


@dataclass(frozen=True, slots=True)
class Item:
    """One question: what to ask, how hard it is (1 to 5), and whether an answer is right."""

    question: Problem
    level: int
    correct: Callable[[str | None], bool]


@dataclass(frozen=True, slots=True)
class Record:
    """What one arm did with one item. `seconds` is the wall-clock time, 0 where samples may have been replayed."""

    arm: str
    item: int
    level: int
    correct: bool
    samples: int
    tokens: int
    scorer_tokens: int
    compute: int
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Models:
    """What answers and what judges."""

    generator: Generator
    scorer: Scorer | None


async def sweep(
    arm: Arm, items: Sequence[Item], models: Models, journal: "Journal", *, seed: int, concurrency: int
) -> None:
    """Run what the journal does not have yet of one arm, `concurrency` items at a time."""
    slots = asyncio.Semaphore(concurrency)
    async with asyncio.TaskGroup() as group:
        for index in range(len(items)):
            if not journal.has(arm.name, index):
                group.create_task(_entry(arm, index, items[index], models, journal, seed, slots))


async def time(arm: Arm, items: Sequence[Item], models: Models, seed: int, on_item: Callable[[], None]) -> list[float]:
    """Return the wall-clock seconds of each item, one after the other on an otherwise idle engine."""
    seconds = list[float]()
    for index, item in enumerate(items):
        _, took = await _answered(arm, index, item, models, seed)
        seconds.append(took)
        on_item()
    return seconds


async def _entry(
    arm: Arm, index: int, item: Item, models: Models, journal: "Journal", seed: int, slots: asyncio.Semaphore
) -> None:
    async with slots:
        done, _ = await _answered(arm, index, item, models, seed)
    journal.add(_record(arm, index, item, done))


async def _answered(arm: Arm, index: int, item: Item, models: Models, seed: int) -> tuple[Answer | None, float]:
    clock = asyncio.get_running_loop().time
    start = clock()
    try:
        done = await answer(
            item.question,
            Budget(samples=arm.samples),
            generator=models.generator,
            scorer=models.scorer,
            policy=arm.policy,
            seed=_seed(seed, index),
        )
    except NoAnswer:
        done = None
    return done, clock() - start


def _record(arm: Arm, index: int, item: Item, done: Answer | None) -> Record:
    if done is None:
        return Record(arm.name, index, item.level, correct=False, samples=0, tokens=0, scorer_tokens=0, compute=0)
    spent = done.spent
    return Record(
        arm.name,
        index,
        item.level,
        item.correct(done.verdict.answer),
        spent.samples,
        spent.tokens,
        spent.scorer_tokens,
        spent.compute,
    )


def _seed(seed: int, index: int) -> int:
    """Return the request seed of an item: the same for every arm, so that arms are compared on the same draws."""
    return int.from_bytes(blake2b(f"{seed}/{index}".encode(), digest_size=7).digest(), "big")


class Journal:
    """The records so far, in a file of JSON lines whose first line says what they are records of.

    Raises ValueError when the file records something else.
    """

    def __init__(self, path: Path | None, heading: dict[str, object], on_add: Callable[[], None]) -> None:
        self.records = list[Record]()
        self._done = set[tuple[str, int]]()
        self._path = path
        self._on_add = on_add
        if path is None:
            return
        if path.exists() and path.stat().st_size:
            self._read(path, heading)
        else:
            path.write_text(json.dumps(heading) + "\n")

    def has(self, arm: str, item: int) -> bool:
        """Return whether this was done before."""
        return (arm, item) in self._done

    def add(self, record: Record) -> None:
        """Record, in memory and on disk."""
        self._remember(record)
        if self._path is not None:
            with self._path.open("a") as file:
                file.write(json.dumps(asdict(record)) + "\n")
        self._on_add()

    def of(self, arm: str) -> list[Record]:
        """Return the records of an arm, by item."""
        return sorted((r for r in self.records if r.arm == arm), key=lambda r: r.item)

    def _remember(self, record: Record) -> None:
        self.records.append(record)
        self._done.add((record.arm, record.item))

    def _read(self, path: Path, heading: dict[str, object]) -> None:
        text = path.read_text()
        if not text.endswith("\n"):  # cut by an interruption: what follows must not be appended to half a line
            path.write_text(text + "\n")
        first, *lines = text.splitlines()
        if json.loads(first) != json.loads(json.dumps(heading)):
            raise ValueError(f"{path} records another evaluation; remove it or name another file")
        for line in lines:
            try:
                self._remember(Record(**json.loads(line)))
            except (json.JSONDecodeError, TypeError):
                continue  # a line cut by an interruption is done again


def accuracy(records: Iterable[Record], levels: Sequence[int] = (1, 2, 3, 4, 5)) -> Estimate:
    """Return the share of right answers among the records of these levels. Raises ValueError without any."""
    chosen = [r.correct for r in records if r.level in levels]
    if not chosen:
        raise ValueError("no record of these levels")
    return proportion(sum(chosen), len(chosen))
