"""The family: its kinds, their shares, and one problem of any of them."""

from random import Random

from . import arithmetic, countdown, equation, modular, quantities, word
from .problem import Kind, Maker, Problem, solution

__all__ = ["KINDS", "LEVELS", "MAKERS", "WEIGHTS", "Kind", "Problem", "make", "solution"]

LEVELS = (1, 2, 3, 4, 5)
MAKERS: dict[Kind, Maker] = {
    "arithmetic": arithmetic.make,
    "quantities": quantities.make,
    "word": word.make,
    "equation": equation.make,
    "modular": modular.make,
    "countdown": countdown.make,
}
WEIGHTS: dict[Kind, float] = {
    "arithmetic": 0.30,
    "quantities": 0.15,
    "word": 0.15,
    "equation": 0.15,
    "modular": 0.10,
    "countdown": 0.15,
}
"""The share of each kind, the same at every level."""
KINDS: tuple[Kind, ...] = tuple(WEIGHTS)


def make(rng: Random, kind: Kind | None = None, level: int | None = None) -> Problem:
    """One problem; a kind left out is drawn by weight, a level left out evenly.

    Raises ValueError for a level outside 1 to 5.
    """
    if level is not None and level not in LEVELS:
        raise ValueError(f"level must be one of 1 to 5, not {level!r}")
    kind = kind or rng.choices(KINDS, list(WEIGHTS.values()))[0]
    return MAKERS[kind](rng, level or rng.randint(1, 5))
