"""What the parts of the scoring service say to each other: a family lays text out and a host runs the model.

A family knows where in the text a reward model of its kind is read and what the numbers there mean; it knows no
model code. A host runs a model and reads it; it knows no reward. Every family works on every host.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


class TooLong(Exception):
    """An item does not fit: `tokens` or `more` are needed, `most` are allowed. It costs this item only."""

    def __init__(self, tokens: int, most: int, *, more: bool = False) -> None:
        super().__init__(f"the item has {'more than ' if more else ''}{tokens} tokens, at most {most} are allowed")
        self.tokens = tokens
        self.most = most


class HostError(Exception):
    """The model gave no usable numbers."""


class Unusable(HostError):
    """The model works, but its numbers for one item are no rewards."""


@dataclass(frozen=True, slots=True)
class Item:
    """One solution to judge. `finished` says that the last step ends the answer; `max_tokens` bounds the passage."""

    problem: str
    steps: tuple[str, ...]
    finished: bool = True
    max_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Passage:
    """A text as a model reads it: `tokens`, and in `reads` the ascending positions whose output is wanted.

    `spans` has one (start, stop) per step: the part of `reads` that belongs to it.
    """

    tokens: tuple[int, ...]
    reads: tuple[int, ...]
    spans: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Reading:
    """What a model put out: `values` (reads, width), and the tokens it had to compute for that, cache hits left out."""

    values: Floats
    computed: int


@dataclass(frozen=True, slots=True)
class ClassLogits:
    """Read the raw scores of a classification head, (reads, classes); width 1 for a scalar head."""


@dataclass(frozen=True, slots=True)
class TokenLogits:
    """Read a language model's logits for the *next* token, of these vocabulary entries only: (reads, len(ids))."""

    ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class TokenLogprobs:
    """Read the log-probability a language model gave to the token *at* each position, (reads, 1)."""


Head = ClassLogits | TokenLogits | TokenLogprobs


class Family(Protocol):
    """One kind of reward model: pure, no model code."""

    @property
    def name(self) -> str:
        """How it is called in settings."""
        ...

    @property
    def head(self) -> Head:
        """What a host has to read."""
        ...

    def lay_out(self, item: Item) -> Passage:
        """Return the text as the model was trained to see it, with one span a step. Raises ValueError."""
        ...

    def rewards(self, passage: Passage, values: Floats) -> tuple[float, ...]:
        """Return one reward in [0, 1] per step from what was read, (reads, width). Raises HostError if not finite."""
        ...


class Host(Protocol):
    """Runs one model."""

    @property
    def name(self) -> str:
        """The model's name."""
        ...

    @property
    def context(self) -> int:
        """The most tokens a passage may have."""
        ...

    async def start(self) -> None:
        """Load or connect. Raises HostError."""
        ...

    async def aclose(self) -> None:
        """Free what was taken."""
        ...

    async def read(self, passages: Sequence[Passage]) -> list[Reading]:
        """Read every passage, in order; each fits the context. Does not block the event loop. Raises HostError."""
        ...
