"""The nouns. Everything here is frozen: a search never changes what it has already produced."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Any


class Finish(StrEnum):
    """Why a sample ended."""

    STEP = "step"
    """At a step boundary: the path can be continued."""
    EOS = "eos"
    """The model ended its answer, or met a stop sequence of the client's."""
    LENGTH = "length"
    """Cut: by the token limit, the context, or the deadline."""


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation."""

    role: str
    content: str


def _no_extra() -> Mapping[str, Any]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Problem:
    """A question as the client asked it, with how it wants its samples drawn.

    `max_tokens` limits one answer, not the whole search; None means as long as the context allows.
    `temperature` is the client's wish and may be None: searching needs a temperature of its own.
    `extra` carries fields the router does not interpret, for backends that do.
    """

    messages: tuple[Message, ...]
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float = 1.0
    stop: tuple[str, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=_no_extra)

    @property
    def question(self) -> str:
        """The last thing the user said."""
        return next((m.content for m in reversed(self.messages) if m.role == "user"), "")


@dataclass(frozen=True, slots=True)
class Sample:
    """What a generator adds to a prefix: `tokens` generated tokens, decoded as `text`.

    `ids` are the token ids where the backend gives them, so that a continuation re-tokenises nothing.
    `logprob` is the sum of the tokens' log-probabilities, 0.0 where unknown; `logprobs` is what the backend says of
    each token, for clients who ask: the router does not look inside.
    """

    text: str
    tokens: int
    finish: Finish
    ids: tuple[int, ...] = ()
    logprob: float = 0.0
    logprobs: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Candidate:
    """A partial or whole solution: the path from the question to here.

    `path` holds the child index taken at each extension; it names the candidate within one search.
    `rewards` has one entry in [0, 1] per step once a scorer has judged it; `value` is their reduction.
    """

    path: tuple[int, ...] = ()
    text: str = ""
    tokens: int = 0
    ids: tuple[int, ...] = ()
    logprob: float = 0.0
    logprobs: tuple[Mapping[str, Any], ...] = ()
    finish: Finish = Finish.STEP
    rewards: tuple[float, ...] | None = None
    value: float | None = None

    @property
    def finished(self) -> bool:
        """Whether the path has come to its end."""
        return self.finish is not Finish.STEP

    def extended(self, index: int, sample: Sample) -> "Candidate":
        """Return the child that `sample`, the `index`-th drawn from here, makes of this candidate."""
        return Candidate(
            path=(*self.path, index),
            text=self.text + sample.text,
            tokens=self.tokens + sample.tokens,
            ids=(*self.ids, *sample.ids),
            logprob=self.logprob + sample.logprob,
            logprobs=(*self.logprobs, *sample.logprobs),
            finish=sample.finish,
        )

    def judged(self, rewards: tuple[float, ...], value: float) -> "Candidate":
        """Return the same candidate with its step rewards and their reduced value."""
        return replace(self, rewards=rewards, value=value)


ROOT = Candidate()
"""The empty candidate every search starts from."""


@dataclass(frozen=True, slots=True)
class Difficulty:
    """How hard a question is, and how far from decided, as its solutions so far show it.

    `agreement` is the share of the samples that gave the commonest answer (0 when none gave one), `value` the mean
    value the scorer gave them (None without a scorer), `score` in [0, 1] is the doubt they leave (1 is hardest) and
    `level` bins it from 1 (easy) to 5 (hard). `pass_rate` is the calibrated probability that one more sample is
    right, None where nothing has been calibrated.

    The rest is evidence for policies: how many were `judged`; of `answers` different ones the share of the
    `runner_up`; the leading answer's share of all values (`weight`) and its `best` value, both 0 where nothing is
    judged; the share that states no answer (`silent`); the log-probability of the first solution, in nats; the mean
    `length` in tokens.
    """

    samples: int
    agreement: float
    value: float | None
    score: float
    level: int
    judged: int = 0
    answers: int = 0
    runner_up: float = 0.0
    weight: float = 0.0
    best: float = 0.0
    silent: float = 0.0
    first_logprob: float = 0.0
    length: float = 0.0
    pass_rate: float | None = None


@dataclass(frozen=True, slots=True)
class Vote:
    """One group of equal answers: how many solutions gave it and what they weigh together."""

    answer: str | None
    count: int
    weight: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an aggregation decided: `ranking` is best first and never empty; `votes` as the answers rank."""

    ranking: tuple[Candidate, ...]
    answer: str | None
    votes: tuple[Vote, ...]
    confidence: float

    @property
    def chosen(self) -> Candidate:
        """The solution to answer with."""
        return self.ranking[0]
