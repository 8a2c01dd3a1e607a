"""What would have happened: for each number of solutions, judged or not, whether the answer was right, and its cost."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from math import inf

import numpy as np
from numpy.typing import NDArray

from ..difficulty.probe import shown
from ..policy.table import NOTHING, evidence
from ..types import Difficulty
from .learners import Floats
from .pools import Pool

STAGES = (1, 2, 4, 8, 16, 32, 64)
"""Numbers of solutions at which a search looks at what it has."""


Standing = tuple[int, bool]
"""How many solutions, judged or not."""


@dataclass(frozen=True, slots=True)
class Outcomes:
    """All pools in all standings. Arrays are by problem.

    `right[n, judged]` tells whether the vote of the first n solutions is right, unjudged by majority, judged by weight;
    `generated[n]` are tokens, `judging[n]` the compute of having judged them, both for the first n together.
    `searches` are the tree searches that were run on every one of them: strategy, n, m.
    """

    pools: tuple[Pool, ...]
    ratio: float
    estimates: Floats
    pass_rates: Floats
    right: dict[Standing, Floats]
    generated: dict[int, Floats]
    judging: dict[int, Floats]
    difficulties: dict[Standing, list[Difficulty]]
    searches: tuple[tuple[str, int, int], ...]
    guided: bool = False
    """Whether the estimate from the prompt is evidence beside what solutions show."""

    @property
    def stages(self) -> tuple[int, ...]:
        """The stages that the pools reach."""
        return tuple(self.generated)

    @property
    def judged(self) -> bool:
        """Whether the pools have values."""
        return any(judged for _, judged in self.right)

    @property
    def unit(self) -> float:
        """The mean tokens of one solution."""
        last = self.stages[-1]
        return float(self.generated[last].mean() / last)


def outcomes(pools: Sequence[Pool], ratio: float, estimates: Sequence[float]) -> Outcomes:
    """Replay every pool once. `ratio` is the price of a scorer token, `estimates` are pass rates expected before."""
    length = min(len(p.solutions) for p in pools)
    stages = tuple(n for n in STAGES if n <= length)
    judged = all(s.value is not None for p in pools for s in p.solutions)
    standings = [(n, j) for n in stages for j in ((False, True) if judged else (False,))]
    return Outcomes(
        pools=tuple(pools),
        ratio=ratio,
        estimates=np.asarray(estimates, float),
        pass_rates=np.array([pass_rate(p) for p in pools]),
        right={s: np.array([_right(p, *s) for p in pools], float) for s in standings},
        generated={n: np.array([sum(s.tokens for s in p.solutions[:n]) for p in pools], float) for n in stages},
        judging={n: np.array([ratio * sum(s.read for s in p.solutions[:n]) for p in pools], float) for n in stages},
        difficulties={s: [_shown(p, *s) for p in pools] for s in standings},
        searches=tuple(sorted(set[tuple[str, int, int]].intersection(*map(_searches, pools)))),
    )


def pass_rate(pool: Pool) -> float:
    """Return the share of the sampled solutions that are right; the greedy one is no sample."""
    sampled = pool.solutions[1:] or pool.solutions
    return sum(s.correct for s in sampled) / len(sampled)


def seen_at(data: Outcomes, rows: NDArray[np.intp], standing: Standing) -> Floats:
    """Return the evidence in a standing, a row a problem; no solutions show nothing but the estimate."""
    shows = data.difficulties.get(standing, [NOTHING] * len(data.pools))
    estimates = data.estimates if data.guided or not standing[0] else np.full(len(data.pools), data.estimates.mean())
    return np.array([evidence(shows[int(i)], float(estimates[i])) for i in rows], float)


def _searches(pool: Pool) -> set[tuple[str, int, int]]:
    return {(s.strategy, s.n, s.m) for s in pool.searches}


def _shown(pool: Pool, n: int, judged: bool) -> Difficulty:
    some = pool.solutions[:n]
    answers: list[Hashable] = [None if s.answer < 0 else s.answer for s in some]
    values = [s.value if judged else None for s in some]
    return shown(answers, values, [s.logprob for s in some], [s.tokens for s in some])


def _right(pool: Pool, n: int, judged: bool) -> bool:
    """Tell whether the vote of the first n is right, as router.aggregation decides it."""
    votes, right = dict[int, tuple[float, float, int]](), dict[int, bool]()
    for s in pool.solutions[:n]:
        if s.answer >= 0:
            value = (s.value or 0.0) if judged else 1.0
            weight, best, count = votes.get(s.answer, (0.0, -inf, 0))
            votes[s.answer] = weight + value, max(best, value), count + 1
            right.setdefault(s.answer, s.correct)
    return right[max(votes, key=votes.__getitem__)] if votes else False
