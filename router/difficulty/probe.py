"""Difficulty from the solutions so far, which are charged, and which stay solutions.

Snell et al. 2024 (section 3.2) grade a question by the mean verifier value of 2,048 samples, and do not count them.
Here a handful does: how far their answers agree, what the scorer thinks of them, how sure the generator was of them.
"""

from collections import Counter, defaultdict
from collections.abc import Hashable, Sequence

from ..equality import Equivalence
from ..extraction import stated
from ..search import Search
from ..types import ROOT, Candidate, Difficulty

_BINS = (0.2, 0.4, 0.6, 0.8)


async def probe(search: Search, samples: int, equivalence: Equivalence) -> Difficulty:
    """Draw `samples` whole solutions, judge them where there is a scorer, and grade the question by them."""
    await search.rollout([ROOT], samples, judge=True)
    return grade(search.solutions, equivalence)


def grade(solutions: Sequence[Candidate], equivalence: Equivalence) -> Difficulty:
    """Return how hard a question is, as these solutions show it."""
    answers = [None if (a := stated(s)) is None else equivalence(a) for s in solutions]
    values, logprobs = [s.value for s in solutions], [s.logprob for s in solutions]
    return shown(answers, values, logprobs, [s.tokens for s in solutions])


def shown(
    answers: Sequence[Hashable],
    values: Sequence[float | None],
    logprobs: Sequence[float],
    lengths: Sequence[int],
) -> Difficulty:
    """Return what solutions show; an answer of None is none. The score is the mean of disagreement and doubt."""
    n = max(1, len(answers))
    counts = Counter(a for a in answers if a is not None)
    shares = [count / n for _, count in counts.most_common(2)] + [0.0, 0.0]
    known = [v for v in values if v is not None]
    value = sum(known) / len(known) if known else None
    score = 1.0 - (shares[0] if value is None else (shares[0] + value) / 2)
    weight, best = _leading(answers, values)
    return Difficulty(
        samples=len(answers),
        agreement=shares[0],
        value=value,
        score=score,
        level=level(score),
        judged=len(known),
        answers=len(counts),
        runner_up=shares[1],
        weight=weight,
        best=best,
        silent=1.0 - counts.total() / n if answers else 0.0,
        first_logprob=logprobs[0] if logprobs else 0.0,
        length=sum(lengths) / n,
    )


def level(score: float) -> int:
    """Bin a score in [0, 1] from 1 (easy) to 5 (hard)."""
    return 1 + sum(score > edge for edge in _BINS)


def _leading(answers: Sequence[Hashable], values: Sequence[float | None]) -> tuple[float, float]:
    """Return the share of all values that the answer with the most has, and the best value among its solutions."""
    weights, best = defaultdict[Hashable, float](float), defaultdict[Hashable, float](float)
    for answer, value in zip(answers, values, strict=True):
        if answer is not None and value is not None:
            weights[answer] += value
            best[answer] = max(best[answer], value)
    leader = max(weights, key=weights.__getitem__, default=None)
    total = sum(weights.values())
    return (0.0, 0.0) if leader is None or total <= 0 else (weights[leader] / total, best[leader])
