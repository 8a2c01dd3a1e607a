"""The two ports through which the router sees the world, and the ways in which they fail."""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from .types import Candidate, Problem, Sample


class GeneratorError(Exception):
    """A generation call was lost: the samples that had arrived stay, the others are gone.

    With `refusal` it was the request that the backend did not take: asking again, or elsewhere, is of no use. With
    `busy` nothing is wrong but that the backend has too much to do.
    """

    def __init__(self, message: str, *, refusal: bool = False, busy: bool = False) -> None:
        super().__init__(message)
        self.refusal = refusal
        self.busy = busy


class ScorerError(Exception):
    """The scorer gave no usable rewards; the search goes on without it."""


class ProblemTooLong(Exception):
    """The prompt leaves no room for an answer. Carries the numbers a client needs."""

    def __init__(self, prompt_tokens: int, context: int) -> None:
        super().__init__(f"the prompt has {prompt_tokens} tokens, the context of the model is {context}")
        self.prompt_tokens = prompt_tokens
        self.context = context


@dataclass(frozen=True, slots=True)
class Measure:
    """The size of a problem: tokens in its prompt, and the most an answer can have."""

    prompt_tokens: int
    room: int


@dataclass(frozen=True, slots=True)
class Draw:
    """An order for `count` continuations of `prefix`, independent of each other.

    Sample j is drawn with seed `seed + j`. `whole` asks for the rest of the answer, otherwise for one step.
    Each has at most `max_tokens` tokens. At `deadline` (event-loop time) the generator stops by itself and
    delivers what it has, cut, as `Finish.LENGTH`.
    """

    problem: Problem
    prefix: Candidate
    count: int
    seed: int
    max_tokens: int
    whole: bool
    temperature: float
    deadline: float | None = None


@dataclass(slots=True)
class Tally:
    """Tokens one draw has generated so far, unfinished samples included: what an abandoned call is charged."""

    tokens: int = 0


class Generator(Protocol):
    """Something that continues text."""

    @property
    def name(self) -> str:
        """The model's name."""
        ...

    async def measure(self, problem: Problem) -> Measure:
        """Count the prompt. Raises ProblemTooLong, or GeneratorError when the backend does not answer."""
        ...

    def sample(
        self, draw: Draw, tally: Tally, on_text: Callable[[str], None] | None = None
    ) -> AsyncIterator[tuple[int, Sample]]:
        """Yield (j, sample) in any order, as they finish; fewer than asked when some are lost.

        `on_text` gets each new piece of text of sample 0 as it comes. Closing the iterator aborts what is
        still running. Raises GeneratorError.
        """
        ...


@dataclass(frozen=True, slots=True)
class Scores:
    """One tuple of step rewards in [0, 1] per candidate, in order, and the scorer tokens this took."""

    rewards: tuple[tuple[float, ...], ...]
    tokens: int


class Scorer(Protocol):
    """Something that judges each step of a candidate in the light of the steps before it."""

    @property
    def name(self) -> str:
        """The model's name."""
        ...

    @property
    def ratio(self) -> float:
        """What one scorer token costs in generator tokens: the ratio of the parameters of the two models."""
        ...

    def bill(self, prompt_tokens: int, tokens: int) -> int:
        """Return the most scorer tokens that judging one candidate of `tokens` tokens can take."""
        ...

    async def score(self, problem: Problem, candidates: Sequence[Candidate], prompt_tokens: int) -> Scores:
        """Judge each candidate from its first step to its last; no more than `bill` says for each. Raises ScorerError.

        `prompt_tokens` is the length of the problem as the generator counts it.
        """
        ...
