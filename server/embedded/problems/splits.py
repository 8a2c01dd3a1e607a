"""Which problems are for training, which for calibration, which for tests; and fresh draws of each.

A problem's split follows from its question's text alone, so no list has to be kept and no two splits can
meet. Questions that only word one problem differently (`What is 3 + 4?`, `Compute 3+4.`; the numbers of a
countdown in another order) count as the same problem, or training would see the tests in other words.

The shipped weights were trained before the splits existed; what they saw of the calibration and test splits
is recorded in `seen.npy` and never drawn. The file holds 32 bits of the hash of each such problem (sorted
uint32, 136,733 of them, 0.5 MB): no seen problem is missed, and 3 fresh ones in 100,000 are taken for
seen and left out as well.
"""

from collections.abc import Iterator
from functools import cache
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from random import Random
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from . import arithmetic, countdown
from .family import LEVELS, MAKERS, WEIGHTS
from .problem import Kind, Problem

Split = Literal["train", "calibration", "test"]
SEEN_FILE = Path(__file__).with_name("seen.npy")
_FRUITLESS_DRAWS = 4_000
"""Draws in a row without a fresh problem after which a kind counts as exhausted at a level."""


def identity(question: str) -> str:
    """Return what makes two questions the same problem: the text, less the wording that does not matter."""
    if expression := arithmetic.expression_in(question):
        return expression.replace(" ", "")
    if asked := countdown.asked(question):
        numbers, target = asked
        return f"{sorted(numbers)} {target}"
    return question


def _digest(question: str) -> bytes:
    return blake2b(identity(question).encode(), digest_size=8).digest()


def split_of(question: str) -> Split:
    """Return the split of a question: by hash, one in sixteen is for tests, one in sixteen for calibration."""
    residue = int.from_bytes(_digest(question)[:4], "little") % 16
    return "test" if residue == 0 else "calibration" if residue == 1 else "train"


def seen_hash(question: str) -> int:
    """Return the 32 bits by which `seen.npy` knows a problem; they are independent of its split."""
    return int.from_bytes(_digest(question)[4:], "little")


@cache
def seen_hashes() -> NDArray[np.uint32]:
    """Return the hashes of the calibration and test questions that the shipped weights were trained on, sorted."""
    return np.load(SEEN_FILE)


def was_seen(question: str) -> bool:
    """Tell whether a calibration or test problem was among the shipped weights' training problems."""
    hashes, wanted = seen_hashes(), np.uint32(seen_hash(question))
    at = int(np.searchsorted(hashes, wanted))
    return at < len(hashes) and bool(hashes[at] == wanted)


def draw(split: Split, count_per_level: int, seed: int) -> list[Problem]:
    """Draw distinct problems of one split that the shipped weights have not seen, level by level.

    Within a level the kinds have the family's weights. Where a kind has too few fresh problems, the others
    share its part by their weights. The same arguments give the same problems. Raises ValueError if a level
    as a whole has too few.
    """
    rng = Random(f"{split} {seed}")
    return [problem for level in LEVELS for problem in _draw_level(rng, split, level, count_per_level)]


def _draw_level(rng: Random, split: Split, level: int, count: int) -> list[Problem]:
    drawn, taken, weights = list[Problem](), set[str](), dict(WEIGHTS)
    while len(drawn) < count:
        if not weights:
            raise ValueError(f"level {level} has only {len(drawn)} fresh {split} problems, not {count}")
        for kind, quota in apportion(count - len(drawn), weights).items():
            fresh = list(islice(_fresh(rng, split, kind, level, taken), quota))
            drawn += fresh
            if len(fresh) < quota:
                del weights[kind]
    rng.shuffle(drawn)
    return drawn


def _fresh(rng: Random, split: Split, kind: Kind, level: int, taken: set[str]) -> Iterator[Problem]:
    """Yield fresh problems and note them as taken, until too many draws in a row were fruitless."""
    fruitless = 0
    while fruitless < _FRUITLESS_DRAWS:
        problem = MAKERS[kind](rng, level)
        name = identity(problem.question)
        if name in taken or split_of(problem.question) != split or was_seen(problem.question):
            fruitless += 1
            continue
        taken.add(name)
        fruitless = 0
        yield problem


def apportion(count: int, weights: dict[Kind, float]) -> dict[Kind, int]:
    """Share a count out by weights, in whole numbers that add up to it (largest remainders first)."""
    total = sum(weights.values())
    exact: dict[Kind, float] = {kind: count * weight / total for kind, weight in weights.items()}
    shares: dict[Kind, int] = {kind: int(share) for kind, share in exact.items()}
    by_remainder = sorted(weights, key=lambda kind: shares[kind] - exact[kind])
    for kind in by_remainder[: count - sum(shares.values())]:
        shares[kind] += 1
    return shares
