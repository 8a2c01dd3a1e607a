"""What the engine is asked for and what it gives back. Tokens only: text is the adapters' business."""

from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Protocol

from router.types import Finish

from .checkpoint import Floats

Watch = Callable[[int], bool]
"""Told each token of a row, on the engine's thread; returning True ends the row there. Must not raise."""


class Charge(Protocol):
    """Where tokens are counted as they are generated."""

    tokens: int


@dataclass(frozen=True, slots=True)
class Request:
    """One continuation of `tokens` (never empty) for each seed.

    `step_end` is the token that ends a step; with None a row goes on to the end of the answer. `deadline` is a
    time of the engine's clock. `watches` has one entry per seed, or none at all.
    """

    tokens: tuple[int, ...]
    seeds: tuple[int, ...]
    temperature: float
    top_p: float
    max_tokens: int
    step_end: int | None = None
    deadline: float = inf
    watches: tuple[Watch | None, ...] = ()


@dataclass(frozen=True, slots=True)
class Completion:
    """What one row generated: its ids, the stop token included, and their untempered log-probabilities."""

    ids: tuple[int, ...]
    logprobs: Floats
    finish: Finish


@dataclass(slots=True, eq=False)
class DecodeOrder:
    """A request under way, for as long as someone waits for it."""

    request: Request
    charge: Charge
    cancelled: bool = False


@dataclass(frozen=True, slots=True)
class Passage:
    """A sequence to judge: the log-probability of every token from index `start` >= 1 on is wanted."""

    tokens: tuple[int, ...]
    start: int


@dataclass(frozen=True, slots=True)
class Judgement:
    """One array per passage (natural logarithm, untempered), and the tokens that went through the model for it."""

    logprobs: tuple[Floats, ...]
    tokens: int


@dataclass(slots=True, eq=False)
class ScoreOrder:
    """Passages under way, for as long as someone waits for them."""

    passages: tuple[Passage, ...]
    cancelled: bool = False
