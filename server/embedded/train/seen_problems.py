"""Remake `problems/seen.npy`: what the shipped weights saw of the calibration and test splits.

    python -m server.embedded.train.seen_problems            # about two minutes on one core

The shipped generators were trained on 1.5 million problems (64 streams, seeds 1000 to 1063) of an earlier
version of the family, in which some kinds are easier (`_MAKERS` says where it differs). This script draws the
same problems again, in the same order of random calls, and keeps the hashes of those that
`problems/splits.py` now counts as calibration or test problems. One stream packs into 4,274 rows of 512
tokens (seed 1000), which times 64 is the 275 thousand rows the training is recorded to have used.
"""

import sys
from collections.abc import Callable, Iterator
from random import Random

import numpy as np

from server.embedded.problems import arithmetic, countdown, equation, modular, quantities, word
from server.embedded.problems.arithmetic import Limits
from server.embedded.problems.family import KINDS, LEVELS, WEIGHTS
from server.embedded.problems.problem import Kind, Problem
from server.embedded.problems.splits import SEEN_FILE, seen_hash, split_of

STREAMS = range(1000, 1064)
PER_STREAM = 23_500  # 1.5 million over 64 streams, rounded up to whole batches
EXAM_SEED, EXAM_PER_LEVEL = 777, 200  # the first evaluation set, which the training left out

_ARITHMETIC = {
    1: Limits((1, 2), operand=20, large_factor=9, small_factor=9, value=200),
    2: Limits((2, 3), operand=60, large_factor=20, small_factor=9, value=500),
    3: Limits((3, 4), operand=99, large_factor=60, small_factor=9, value=2_000),
    4: Limits((4, 5), operand=300, large_factor=99, small_factor=30, value=9_000),
    5: Limits((5, 7), operand=999, large_factor=150, small_factor=99, value=99_999),
}
_SOLUTIONS = {1: 20, 2: 20, 3: 30, 4: 60, 5: 150}


def _arithmetic(rng: Random, level: int) -> Problem:
    return arithmetic.make_within(rng, level, _ARITHMETIC[level])


def _equation(rng: Random, level: int) -> Problem:
    x = rng.randint(1, _SOLUTIONS[level])
    match level:
        case 1:
            return equation.one_step(rng, level, x)
        case 2:
            return equation.two_steps(rng, level, x)
        case 3:
            return equation.both_sides(rng, level, x)
        case 4:
            return equation.one_bracket(rng, level, x, equation.Limits(12, 20))
        case _:
            return equation.two_brackets(rng, level, x, equation.Limits(39, 60, 300, right_shift=60))


def _modular(rng: Random, level: int) -> Problem:
    match level:
        case 1:
            modulus, value = rng.randint(3, 9), rng.randint(2, 20) + rng.randint(2, 20)
            rest = value % modulus
            step = f"{value} mod {modulus} = {rest}."
            return Problem("modular", level, f"What is {value} mod {modulus}?", (step,), str(rest))
        case 2:
            return modular.product_and_sum(rng, level, modulus=15, left=40, right=20)
        case 3:
            return modular.product_and_sum(rng, level, modulus=30, left=60, right=30)
        case _:
            return modular.make(rng, level)


_MAKERS: dict[Kind, Callable[[Random, int], Problem]] = {
    "arithmetic": _arithmetic,
    "quantities": quantities.make,
    "word": word.make,
    "equation": _equation,
    "modular": _modular,
    "countdown": countdown.make,
}


def exam() -> frozenset[str]:
    """Return the questions of the first evaluation set: 200 a level, by the family's weights."""
    rng = Random(EXAM_SEED)
    return frozenset(
        _MAKERS[kind](rng, level).question
        for level in LEVELS
        for kind in KINDS
        for _ in range(round(EXAM_PER_LEVEL * WEIGHTS[kind]))
    )


def stream(seed: int, banned: frozenset[str]) -> Iterator[str]:
    """Return the questions of one training stream, in order, repetitions included."""
    rng, left = Random(seed), PER_STREAM
    while left:
        kind = rng.choices(KINDS, list(WEIGHTS.values()))[0]
        question = _MAKERS[kind](rng, rng.randint(1, 5)).question
        if question not in banned:
            left -= 1
            yield question


def main() -> None:
    """Draw every stream and write the hashes."""
    banned, hashes = exam(), set[int]()
    for seed in STREAMS:
        held_out = (question for question in stream(seed, banned) if split_of(question) != "train")
        hashes.update(map(seen_hash, held_out))
        print(f"seed {seed}: {len(hashes):,} hashes", file=sys.stderr)
    np.save(SEEN_FILE, np.array(sorted(hashes), dtype=np.uint32))


if __name__ == "__main__":
    main()
