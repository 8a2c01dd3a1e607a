"""What an evaluation asks: problems of the embedded family, or the questions of a file."""

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from router.evaluation import datasets
from router.evaluation.sweep import Item, Mark
from router.types import Message, Problem
from server.embedded.problems import checker, family, splits

if TYPE_CHECKING:
    from server.grading import Grader

SYSTEM = (
    "Solve the problem in numbered steps, '## Step 1: ...', '## Step 2: ...' and so on, each a short paragraph, with a "
    "blank line after each. When you are done, write one last line: Therefore, the final answer is: $\\boxed{answer}$."
)
"""What models are told before the questions of a file: steps are what a scorer judges, the box is what is compared."""

_LEVELS = 5


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which questions: `problems` of a split of the family, or the first `limit` of the file `dataset`."""

    problems: int
    split: str
    dataset: Path | None = None
    form: str | None = None
    limit: int | None = None
    system: str | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """Where the items of a seed come from. `heading` is what records are of; `crossed`: every seed asks the same."""

    title: str
    heading: Mapping[str, object]
    items: Callable[[int], list[Item]]
    crossed: bool


@asynccontextmanager
async def opened_source(wanted: Wanted) -> AsyncGenerator[Source]:
    """Yield the source, with what checks its answers. Raises ValueError, OSError; ImportError without math-verify."""
    if wanted.dataset is None:
        yield _family(wanted)
        return
    questions = _read(wanted, wanted.dataset)
    from server.grading import Grader

    async with Grader() as grader:
        yield _file(wanted, wanted.dataset, questions, grader)


def _family(wanted: Wanted) -> Source:
    if wanted.split not in get_args(splits.Split):
        raise ValueError(f"'{wanted.split}' is no split: one of {', '.join(get_args(splits.Split))}")
    if wanted.form is not None or wanted.limit is not None:
        raise ValueError("--format and --limit are for the questions of a file: name it with --dataset")
    split: splits.Split = wanted.split  # pyright: ignore[reportAssignmentType]

    def items(seed: int) -> list[Item]:
        return [_drawn(p, wanted.system) for p in splits.draw(split, wanted.problems // _LEVELS, seed)]

    heading = {"problems": wanted.problems // _LEVELS * _LEVELS, "split": wanted.split, **_told(wanted.system)}
    return Source(f"split {wanted.split}", heading, items, crossed=False)


def _drawn(problem: family.Problem, system: str | None) -> Item:
    return Item(_asked(problem.question, system), problem.level, partial(_checked, problem))


async def _checked(problem: family.Problem, answer: str | None) -> Mark:
    return Mark.RIGHT if answer is not None and checker.is_correct(problem, answer) else Mark.WRONG


def _read(wanted: Wanted, path: Path) -> Sequence[datasets.Question]:
    questions = datasets.read(path, wanted.form)[: wanted.limit]
    unknown = [q.id for q in questions if q.answer is None]
    if unknown:
        raise ValueError(f"{path} has no answer to {len(unknown)} of its questions, e.g. '{unknown[0]}'")
    return questions


def _file(wanted: Wanted, path: Path, questions: Sequence[datasets.Question], grader: "Grader") -> Source:
    system = SYSTEM if wanted.system is None else wanted.system
    items = [Item(_asked(q.text, system), q.level, partial(_compared, grader, q.answer or "")) for q in questions]
    heading = {"problems": len(items), "dataset": datasets.digest(questions), **_told(system)}
    return Source(path.name, heading, lambda _: items, crossed=True)


async def _compared(grader: "Grader", truth: str, answer: str | None) -> Mark:
    from server.grading import Verdict

    if answer is None:
        return Mark.WRONG
    marks = {Verdict.EQUAL: Mark.RIGHT, Verdict.DIFFERENT: Mark.WRONG}
    return marks.get(await grader.compare(answer, truth), Mark.UNDECIDED)


def _asked(question: str, system: str | None) -> Problem:
    before = (Message("system", system),) if system else ()
    return Problem((*before, Message("user", question)))


def _told(system: str | None) -> Mapping[str, object]:
    return {"system": blake2b(system.encode(), digest_size=8).hexdigest()} if system else {}
