"""A record of decisions as it is read again: what newer versions add is kept, what is missing is not known."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class _Part(BaseModel):
    model_config = ConfigDict(extra="allow", frozen=True)


class Bounds(_Part):
    """A budget: samples, tokens of compute, seconds; None is no bound."""

    samples: int | None = None
    tokens: int | None = None
    deadline: float | None = None


class Step(_Part):
    """An event of the search, `t` seconds after the request's arrival; its other members are those of its `kind`."""

    t: float
    kind: str

    @property
    def members(self) -> dict[str, Any]:
        """What belongs to its kind."""
        return self.model_extra or {}


class Called(_Part):
    """A call of a model, from `start` to `end` in seconds after the request's arrival."""

    port: str
    start: float
    end: float
    samples: int = 0
    tokens: int = 0
    failed: str | None = None


class Votes(_Part):
    """The solutions that gave one answer, which is a letter."""

    answer: str | None = None
    count: int
    weight: float


class Decided(_Part):
    """The answer, as a letter, and its votes; the ranking is not told."""

    answer: str | None = None
    confidence: float
    votes: tuple[Votes, ...] = ()


class Used(_Part):
    """What was spent."""

    samples: int
    tokens: int
    scorer_tokens: int
    compute: int


class Said(_Part):
    """One message of the question."""

    role: str
    content: str


class Record(_Part):
    """All that was recorded of one request."""

    v: int
    id: str
    seconds: float
    outcome: str
    trace_id: str | None = None
    time: str = "?"
    key: str | None = None
    model: str | None = None
    policy: str | None = None
    seed: int | None = None
    status: int | None = None
    shed: str | None = None
    cause: str | None = None
    queued: float = 0.0
    upstream: float = 0.0
    preset: str | None = None
    asked: Bounds | None = None
    granted: Bounds | None = None
    steps: tuple[Step, ...] = ()
    calls: tuple[Called, ...] = ()
    verdict: Decided | None = None
    spent: Used | None = None
    overrun: int = 0
    stopped: str | None = None
    lost: int = 0
    messages: tuple[Said, ...] = ()
    answers: dict[str, str] = Field(default_factory=dict[str, str])
    text: str | None = None
