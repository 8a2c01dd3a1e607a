"""Pools in which the truth is known.

Easy problems: nearly every sample is right. Hopeless ones: none ever is, and hardly two agree. Middling ones: a wrong
answer is commonest, so that a majority gains nothing, and the scorer knows better, so that a weighted vote does.
"""

from collections.abc import Sequence
from random import Random

from router.calibration.pools import Pool, Searched, Solution
from router.difficulty.prompt import FEATURES

EASY, MIDDLING, HOPELESS = "easy", "middling", "hopeless"
KINDS = (EASY, MIDDLING, HOPELESS)
RATIO = 2.0

_RATE = {EASY: 0.99, MIDDLING: 0.4, HOPELESS: 0.0}
_RIGHT, _WRONG = 0, 1
_LOGPROB = {EASY: -1.0, MIDDLING: -40.0, HOPELESS: -8.0}


def solution(kind: str, rng: Random, *, judged: bool = True) -> Solution:
    correct = rng.random() < _RATE[kind]
    other = rng.randrange(2, 40) if kind == HOPELESS or rng.random() < 0.1 else _WRONG
    value = rng.uniform(0.8, 1.0) if correct else rng.uniform(0.0, 0.3)
    return Solution(
        tokens=rng.randint(18, 22),
        logprob=_LOGPROB[kind] * rng.uniform(0.8, 1.2),
        answer=_RIGHT if correct else other,
        correct=correct,
        value=value if judged else None,
        read=10,
    )


def features(kind: str, rng: Random) -> tuple[float, ...]:
    """The first tells the kind, with noise; the second is noise; the others are the same for all."""
    return (KINDS.index(kind) + rng.gauss(0.0, 0.3), rng.random(), *[1.0] * (len(FEATURES) - 2))


def pool(item: int, kind: str, seed: int = 0, n: int = 16, *, judged: bool = True) -> Pool:
    rng = Random(f"{seed}/{item}")
    solutions = tuple(solution(kind, rng, judged=judged) for _ in range(n))
    return Pool(item, f"{kind} {item}", KINDS.index(kind) + 1, 10, features(kind, rng), solutions)


def pools(problems: int = 90, seed: int = 0, n: int = 16, *, judged: bool = True) -> list[Pool]:
    """As many of each kind, taking turns."""
    return [pool(i, KINDS[i % 3], seed, n, judged=judged) for i in range(problems)]


def kind_of(pool: Pool) -> str:
    return pool.id.split()[0]


def searched(pool: Pool, compute: int = 60, *others: Searched) -> tuple[Searched, ...]:
    """A tree search that solves what can be solved, for the tokens of three solutions."""
    return (Searched("dvts", 4, 2, kind_of(pool) != HOPELESS, compute), *others)


def rows(pools: Sequence[Pool], kind: str) -> list[int]:
    return [i for i, p in enumerate(pools) if kind_of(p) == kind]
