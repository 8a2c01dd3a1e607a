"""From step rewards to a value, and from solutions to an answer."""

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from .equality import Equivalence
from .extraction import stated
from .types import Candidate, Verdict, Vote


class Reduce(StrEnum):
    """How step rewards become one value (Snell et al. 2024, section 5.1; Lightman et al. 2023, section 2.6)."""

    LAST = "last"
    MINIMUM = "minimum"
    PRODUCT = "product"
    MEAN = "mean"


_REDUCERS: dict[Reduce, Callable[[Sequence[float]], float]] = {
    Reduce.LAST: lambda r: r[-1],
    Reduce.MINIMUM: min,
    Reduce.PRODUCT: math.prod,
    Reduce.MEAN: lambda r: math.fsum(r) / len(r),
}


def reduce(rewards: Sequence[float], how: Reduce) -> float:
    """Return the value, in [0, 1], of a candidate with these step rewards; 0.0 for one without a step."""
    return _REDUCERS[how](rewards) if rewards else 0.0


class Aggregate(StrEnum):
    """How solutions become an answer."""

    MAJORITY = "majority"
    """Most solutions win (self-consistency, Wang et al. 2022, section 2)."""
    BEST_OF_N = "best_of_n"
    """The most valuable solution wins (Cobbe et al. 2021, section 4)."""
    WEIGHTED_MAJORITY = "weighted_majority"
    """The answer with the largest sum of values wins (Li et al. 2022, section 3.2)."""


@dataclass(slots=True)
class _Group:
    """Solutions whose answers are equal."""

    members: list[Candidate] = field(default_factory=list[Candidate])
    answers: list[str] = field(default_factory=list[str])
    weight: float = 0.0

    def spokesman(self) -> int:
        """Index of the member to answer with: the most valuable, else the commonest wording, else the first."""
        return max(
            range(len(self.members)),
            key=lambda i: (_worth(self.members[i]), self.answers.count(self.answers[i]), -i),
        )


def aggregate(solutions: Sequence[Candidate], how: Aggregate, equivalence: Equivalence) -> Verdict:
    """Decide between `solutions` (not empty; in a fixed order, which breaks ties).

    Solutions that state no answer do not vote; they are chosen only when none states one. Without any value
    the verdict is a majority vote. A solution the scorer did not reach weighs as much as the mean of those it did.
    """
    answers = [stated(s) for s in solutions]
    values = [s.value for s in solutions if s.value is not None]
    if not values:
        how = Aggregate.MAJORITY
    unknown = math.fsum(values) / len(values) if values else 0.0
    groups = dict[Hashable, _Group]()
    for solution, answer in zip(solutions, answers, strict=True):
        if answer is not None:
            group = groups.setdefault(equivalence(answer), _Group())
            group.members.append(solution)
            group.answers.append(answer)
            worth = unknown if solution.value is None else solution.value
            group.weight += 1.0 if how is Aggregate.MAJORITY else worth
    if not groups:
        return _unanswered(solutions)
    return _verdict(list(groups.values()), how, [s for s, a in zip(solutions, answers, strict=True) if a is None])


def _verdict(groups: list[_Group], how: Aggregate, silent: list[Candidate]) -> Verdict:
    def rank(g: _Group) -> tuple[float, float, int]:
        best = _worth(g.members[g.spokesman()])
        return (best, g.weight, len(g.members)) if how is Aggregate.BEST_OF_N else (g.weight, best, len(g.members))

    groups.sort(key=rank, reverse=True)
    heads = [(g, g.spokesman()) for g in groups]
    others = [m for g, i in heads for j, m in enumerate(g.members) if j != i]
    others.sort(key=_worth, reverse=True)
    ranking = [g.members[i] for g, i in heads] + others + silent
    total = math.fsum(g.weight for g in groups)
    return Verdict(
        ranking=tuple(ranking),
        answer=heads[0][0].answers[heads[0][1]],
        votes=tuple(Vote(g.answers[i], len(g.members), g.weight) for g, i in heads),
        confidence=groups[0].weight / total if total > 0 else len(groups[0].members) / len(ranking),
    )


def _unanswered(solutions: Sequence[Candidate]) -> Verdict:
    """Nothing to vote on (chat, code, prose): the most valuable, else the first that was not cut."""
    ranking = sorted(solutions, key=lambda s: (-_worth(s), s.finish != "eos"))
    return Verdict(tuple(ranking), None, (Vote(None, len(solutions), float(len(solutions))),), 0.0)


def _worth(candidate: Candidate) -> float:
    return -math.inf if candidate.value is None else candidate.value
