"""Difficulty from a few cheap samples, which are charged, and which stay solutions.

Snell et al. 2024 (section 3.2) grade a question by the mean verifier value of 2,048 samples, and do not count
them. Here a handful does: how far their answers agree, and what the scorer thinks of them.
"""

from collections import Counter
from collections.abc import Sequence

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
    """Return the difficulty that these solutions show: the mean of their disagreement and of the scorer's doubt."""
    answers = [stated(s) for s in solutions]
    counts = Counter(equivalence(a) for a in answers if a is not None)
    agreement = max(counts.values(), default=0) / max(1, len(solutions))
    values = [s.value for s in solutions if s.value is not None]
    value = sum(values) / len(values) if values else None
    score = 1.0 - (agreement if value is None else (agreement + value) / 2)
    return Difficulty(len(solutions), agreement, value, score, 1 + sum(score > edge for edge in _BINS))
