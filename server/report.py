"""What the server notes about one request once it has ended: the record its observers get.

It stands beside the rooms of the server, not in one of them, so that the gateway can write it and observers can
read it without knowing each other. Nothing is counted, logged or traced before the reply has left.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from router.answering import Answer
from router.budget import Budget
from router.events import Event
from router.types import Problem


class Outcome(StrEnum):
    """How a request ended; few values, fit for a metric's label."""

    ANSWERED = "answered"
    INVALID = "invalid"
    REFUSED = "refused"
    """The key is missing, unknown or used up, or does not allow it."""
    OVERLOADED = "overloaded"
    DEADLINE = "deadline"
    GENERATOR = "generator"
    CANCELLED = "cancelled"
    INTERNAL = "internal"


@dataclass(frozen=True, slots=True)
class Step:
    """An event of the search, `seconds` after the request's arrival. Pieces of text are left out."""

    seconds: float
    event: Event


class Port(StrEnum):
    """What a call went to."""

    MEASURE = "measure"
    GENERATE = "generate"
    SCORE = "score"


@dataclass(frozen=True, slots=True)
class Call:
    """A call of one of the router's ports, from `start` to `end` in seconds after the request's arrival.

    `samples` were drawn, or candidates judged, with `tokens` of that model; `failed` is why not, None where it went
    well, "cancelled" where it was no longer wanted.
    """

    port: Port
    start: float
    end: float
    samples: int = 0
    tokens: int = 0
    failed: str | None = None


class Trace(Protocol):
    """The trace of one request."""

    @property
    def id(self) -> str | None:
        """Its trace id, None where it has none."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """What goes upstream with every call: W3C Trace Context."""
        ...

    def ended(self, report: "Report") -> None:
        """Write its spans; called exactly once."""
        ...


@dataclass(frozen=True, slots=True)
class Report:
    """One chat request: times in seconds, `first_token` from arrival to the first piece of the answer (streams).

    `began` is the Unix time of its arrival. `preset` is the budget's name, "custom" where numbers were given without
    one, None where none was read. `asked` is the budget it asked for and `budget` what it was granted, which is less
    under pressure: None where the request was refused before. `answer` is what the router found. `model` is the one
    that was asked, `cause` what went wrong, in words that are not for the client, and `shed` one word for why it was
    turned away (`queue_full`, `queue_time`, `starting`, `draining`, `key_requests`, `key_compute`).

    `upstream` are the seconds in which it waited for generators and scorers, `queued` those in which it waited for its
    turn: the rest is the gateway's own. `key` is the name of the client's key, `policy` what chose its plan.
    """

    request_id: str
    outcome: Outcome
    stream: bool
    seconds: float
    first_token: float | None
    preset: str | None
    budget: Budget | None
    answer: Answer | None
    model: str | None = None
    cause: str | None = None
    began: float = 0.0
    asked: Budget | None = None
    shed: str | None = None
    status: int = 200
    upstream: float = 0.0
    queued: float = 0.0
    key: str | None = None
    policy: str | None = None
    seed: int | None = None
    trace_id: str | None = None
    problem: Problem | None = None
    steps: tuple[Step, ...] = ()
    calls: tuple[Call, ...] = ()


class RequestObserver(Protocol):
    """Is told when a chat request arrives and when it has ended; must not block."""

    def started(self) -> None:
        """Note that a request has arrived."""
        ...

    def ended(self, report: Report) -> None:
        """Note how it ended; called exactly once for each `started`."""
        ...
