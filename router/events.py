"""What a search reports while it runs. Events carry plain data, so that anyone can log, count or show them."""

from collections.abc import Callable
from dataclasses import dataclass

from .types import Difficulty, Finish


@dataclass(frozen=True, slots=True)
class Text:
    """A piece of the answer itself, as the model writes it: only where one live sample is all there is."""

    text: str


@dataclass(frozen=True, slots=True)
class Probed:
    """What is known of the question has changed: after a probe, and before plans made with what has come since."""

    difficulty: Difficulty


@dataclass(frozen=True, slots=True)
class Planned:
    """The policy has chosen. `strategy` is None when what has been found is enough."""

    strategy: str | None
    n: int
    aggregate: str
    reason: str


@dataclass(frozen=True, slots=True)
class Sampled:
    """One sample has arrived; `answer` is set when it finished a solution that has one."""

    path: tuple[int, ...]
    tokens: int
    finish: Finish
    answer: str | None


@dataclass(frozen=True, slots=True)
class Scored:
    """The scorer has judged `candidates` candidates with `tokens` of its own tokens; `best` is the best value."""

    candidates: int
    tokens: int
    best: float | None


@dataclass(frozen=True, slots=True)
class Pruned:
    """These paths are not continued."""

    paths: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True)
class Lost:
    """`samples` samples were asked for and did not come."""

    samples: int
    reason: str


@dataclass(frozen=True, slots=True)
class Aborted:
    """`samples` samples were cancelled while they were drawn, because more would not be worth it."""

    samples: int


@dataclass(frozen=True, slots=True)
class Degraded:
    """The search goes on without a part of it, e.g. without its scorer."""

    reason: str


@dataclass(frozen=True, slots=True)
class Answered:
    """The end: what was decided, and on what."""

    answer: str | None
    votes: int
    solutions: int
    confidence: float
    stopped: str


Event = Text | Probed | Planned | Sampled | Scored | Pruned | Lost | Aborted | Degraded | Answered

Observer = Callable[[Event], None]
"""Called on the event loop for every event: it must not block and must not raise."""


def ignore(_event: Event) -> None:
    """Observe nothing."""
