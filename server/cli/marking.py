"""Which answers of a pool are the same answer, and which are right."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from router.equality import key
from server.embedded.problems import checker, family
from server.grading import Grader, Verdict


@dataclass(frozen=True, slots=True)
class Marks:
    """For each answer its group (-1 for none), whether it is right, and whether nobody could tell."""

    groups: tuple[int, ...]
    correct: tuple[bool, ...]
    undecided: tuple[bool, ...]
    agreed: bool = False
    """Whether the answer with the most weight stood in for the truth."""


class Marker(Protocol):
    """Marks the answers to one question. `weights` are what each answer counts where they have to agree on a truth."""

    async def __call__(self, answers: Sequence[str | None], weights: Sequence[float]) -> Marks:
        """Return the marks, in order."""
        ...


@dataclass(frozen=True, slots=True)
class FamilyMarker:
    """Marks answers to a problem of the embedded family by its exact checker."""

    problem: family.Problem

    async def __call__(self, answers: Sequence[str | None], weights: Sequence[float]) -> Marks:
        """Return the marks; nothing is undecided."""
        numbers = dict[object, int]()
        groups = tuple(-1 if a is None else numbers.setdefault(key(a), len(numbers)) for a in answers)
        correct = tuple(a is not None and checker.is_correct(self.problem, a) for a in answers)
        return Marks(groups, correct, (False,) * len(answers))


@dataclass(frozen=True, slots=True)
class TruthMarker:
    """Marks answers against a published one or, where there is none, against what they agree on."""

    grader: Grader
    truth: str | None

    async def __call__(self, answers: Sequence[str | None], weights: Sequence[float]) -> Marks:
        """Return the marks. What is undecided counts as wrong."""
        groups = await self._groups(answers)
        if self.truth is None:
            leader = _leader(groups, weights)
            correct = tuple(g == leader and g >= 0 for g in groups)
            return Marks(groups, correct, (False,) * len(answers), agreed=True)
        verdicts = {a: await self.grader.compare(a, self.truth) for a in dict.fromkeys(answers) if a is not None}
        told = [Verdict.DIFFERENT if a is None else verdicts[a] for a in answers]
        return Marks(
            groups,
            tuple(v is Verdict.EQUAL for v in told),
            tuple(v is Verdict.UNDECIDED for v in told),
        )

    async def _groups(self, answers: Sequence[str | None]) -> tuple[int, ...]:
        distinct = list(dict.fromkeys(a for a in answers if a is not None))
        numbers = dict(zip(distinct, await self.grader.cluster(distinct), strict=True))
        return tuple(-1 if a is None else numbers[a] for a in answers)


def _leader(groups: Sequence[int], weights: Sequence[float]) -> int:
    """Return the group that weighs the most (ties go to the more frequent, then to the first); -1 without any."""
    weighed, counts = dict[int, float](), dict[int, int]()
    for group, weight in zip(groups, weights, strict=True):
        if group >= 0:
            weighed[group] = weighed.get(group, 0.0) + weight
            counts[group] = counts.get(group, 0) + 1
    return max(weighed, key=lambda g: (weighed[g], counts[g]), default=-1)
