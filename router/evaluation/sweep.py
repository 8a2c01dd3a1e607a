"""Runs every arm over every problem and says what each was worth: resumable, with all costs counted."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import blake2b

from ..answering import Answer, NoAnswer, answer
from ..budget import Budget
from ..events import Event, Sampled
from ..plan import Policy
from ..ports import Generator, Scorer
from ..types import Problem
from .journal import Journal, Record


class Mark(StrEnum):
    """What an answer is worth. UNDECIDED, where nobody could compare it with the truth, never counts as right."""

    RIGHT = "right"
    WRONG = "wrong"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class Arm:
    """One row of the table: a way to choose policies, with a budget of samples.

    `policy` makes the policy of one problem, since what is known before the first sample depends on it. `provenance`
    names what it was made from. Without `verified` there is no scorer. With `rated` the share of its samples that are
    right is recorded.
    """

    name: str
    strategy: str
    samples: int
    policy: Callable[[Problem], Policy]
    provenance: str = ""
    verified: bool = True
    rated: bool = False


@dataclass(frozen=True, slots=True)
class Item:
    """One question: what to ask, how hard it is (1 to 5, None where nobody says), and what an answer is worth."""

    question: Problem
    level: int | None
    mark: Callable[[str | None], Awaitable[Mark]]


@dataclass(frozen=True, slots=True)
class Models:
    """What answers and what judges."""

    generator: Generator
    scorer: Scorer | None


async def sweep(
    arm: Arm,
    items: Sequence[Item],
    models: Callable[[], Models],
    journal: Journal,
    *,
    seed: int,
    concurrency: int,
) -> None:
    """Run what the journal does not have yet of one arm, `concurrency` items at a time, each with models of its own."""
    left = iter([i for i in range(len(items)) if not journal.has(arm.name, i, arm.provenance)])

    async def work() -> None:
        for index in left:
            journal.add(await _entry(arm, index, items[index], models(), seed))

    async with asyncio.TaskGroup() as group:
        for _ in range(concurrency):
            group.create_task(work())


async def time(
    arm: Arm, items: Sequence[tuple[int, Item]], models: Models, seed: int, on_item: Callable[[], None]
) -> list[float]:
    """Return the wall-clock seconds of each item, one after the other on an otherwise idle engine.

    Items come with their places in the sweep, whose draws they repeat.
    """
    seconds, clock = list[float](), asyncio.get_running_loop().time
    for index, item in items:
        start = clock()
        await _answered(arm, index, item, models, seed)
        seconds.append(clock() - start)
        on_item()
    return seconds


async def _entry(arm: Arm, index: int, item: Item, models: Models, seed: int) -> Record:
    answers = list[str | None]()

    def note(event: Event) -> None:
        if isinstance(event, Sampled):
            answers.append(event.answer)

    done = await _answered(arm, index, item, models, seed, note)
    rate = await _rate(item, answers) if arm.rated else None
    if done is None:
        return Record(arm.name, index, item.level, correct=False, policy=arm.provenance, rate=rate)
    mark, spent = await item.mark(done.verdict.answer), done.spent
    return Record(
        arm.name,
        index,
        item.level,
        correct=mark is Mark.RIGHT,
        samples=spent.samples,
        tokens=spent.tokens,
        scorer_tokens=spent.scorer_tokens,
        compute=spent.compute,
        undecided=mark is Mark.UNDECIDED,
        stopped=done.stopped,
        policy=arm.provenance,
        rate=rate,
    )


async def _answered(
    arm: Arm,
    index: int,
    item: Item,
    models: Models,
    seed: int,
    observe: Callable[[Event], None] = lambda _: None,
) -> Answer | None:
    try:
        return await answer(
            item.question,
            Budget(samples=arm.samples),
            generator=models.generator,
            scorer=models.scorer if arm.verified else None,
            policy=arm.policy(item.question),
            observe=observe,
            seed=_seed(seed, index),
        )
    except NoAnswer:
        return None


async def _rate(item: Item, answers: Sequence[str | None]) -> float:
    """Return the share of right answers: each distinct one is compared once."""
    marks = {text: await item.mark(text) for text in dict.fromkeys(answers)}
    return sum(marks[text] is Mark.RIGHT for text in answers) / max(1, len(answers))


def _seed(seed: int, index: int) -> int:
    """Return the request seed of an item: the same for every arm, so that arms are compared on the same draws."""
    return int.from_bytes(blake2b(f"{seed}/{index}".encode(), digest_size=7).digest(), "big")
