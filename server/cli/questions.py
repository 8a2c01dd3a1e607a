"""What a calibration asks: the questions of a file, or problems of the embedded family."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from router.evaluation.datasets import Question, digest, read
from router.types import Message, Problem
from server.embedded.problems import family, splits
from server.grading import Grader

from .drawing import Asked
from .marking import FamilyMarker, TruthMarker

SPLIT = "calibration"


@dataclass(frozen=True, slots=True)
class Manner:
    """How questions are put: in an order that `seed` shuffles, at most `limit` of them.

    `system` is a message put in front, `longest` the most tokens of an answer.
    """

    seed: int = 0
    limit: int | None = None
    system: str | None = None
    longest: int | None = None

    def problem(self, text: str) -> Problem:
        """Return the request that asks this."""
        front = (Message("system", self.system),) if self.system else ()
        return Problem((*front, Message("user", text)), max_tokens=self.longest)

    def chosen(self, asked: Sequence[Asked]) -> list[Asked]:
        """Return the questions as they are put: files are sorted by subject or level, and a part should not be."""
        shuffled = list(asked)
        Random(self.seed).shuffle(shuffled)
        return shuffled[: self.limit]


@dataclass(frozen=True, slots=True)
class Questions:
    """What is asked, and where it comes from. `answered` have a known answer; `repeated` were left out."""

    asked: list[Asked]
    source: str
    digest: str
    answered: int
    repeated: int = 0


def of_file(path: Path, form: str | None, grader: Grader, manner: Manner) -> Questions:
    """Read a file of questions. Raises ValueError and OSError."""
    every = read(path, form)
    distinct = _distinct(every)
    asked = manner.chosen(
        [
            Asked(place, q.id, q.level, manner.problem(q.text), TruthMarker(grader, q.answer))
            for place, q in enumerate(distinct)
        ]
    )
    answered = sum(distinct[a.item].answer is not None for a in asked)
    return Questions(asked, path.name, digest(distinct), answered, len(every) - len(distinct))


def of_family(problems: int, levels: Sequence[int], manner: Manner) -> Questions:
    """Draw problems of the embedded family's calibration split, shared out over `levels`. Raises ValueError."""
    if unknown := [level for level in levels if level not in family.LEVELS]:
        raise ValueError(f"there is no level {unknown[0]}: levels are from 1 to 5")
    drawn = [p for p in splits.draw(SPLIT, problems // len(levels), manner.seed) if p.level in levels]
    asked = [
        Asked(place, f"{p.kind}-{place}", p.level, manner.problem(p.question), FamilyMarker(p))
        for place, p in enumerate(drawn)
    ]
    told = [Question(a.id, p.question, p.answer, p.level, p.kind) for a, p in zip(asked, drawn, strict=True)]
    chosen = manner.chosen(asked)
    return Questions(chosen, f"embedded problems, {SPLIT} split", digest(told), len(chosen))


def _distinct(questions: Sequence[Question]) -> list[Question]:
    """Leave out questions that were there before, word by word; one with an answer goes before one without."""
    by_text = dict[str, Question]()
    for question in questions:
        text = " ".join(question.text.split())
        before = by_text.get(text)
        if before is None or (before.answer is None and question.answer is not None):
            by_text[text] = question
    return list(by_text.values())
