"""What the server notes about one request once it has ended: the record its observers get.

It stands beside the rooms of the server, not in one of them, so that the gateway can write it and observers can
read it without knowing each other.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from router.answering import Answer
from router.budget import Budget


class Outcome(StrEnum):
    """How a request ended; few values, fit for a metric's label."""

    ANSWERED = "answered"
    INVALID = "invalid"
    OVERLOADED = "overloaded"
    DEADLINE = "deadline"
    GENERATOR = "generator"
    CANCELLED = "cancelled"
    INTERNAL = "internal"


@dataclass(frozen=True, slots=True)
class Report:
    """One chat request: times in seconds, `first_token` from arrival to the first piece of the answer (streams).

    `preset` is the budget's name, "custom" where numbers were given without one, None where none was read.
    `budget` is what was granted, None where the request was refused before; `answer` what the router found. `model` is
    the one that was asked, `cause` what went wrong, in words that are not for the client.
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


class RequestObserver(Protocol):
    """Is told when a chat request arrives and when it has ended; must not block."""

    def started(self) -> None:
        """Note that a request has arrived."""
        ...

    def ended(self, report: Report) -> None:
        """Note how it ended; called exactly once for each `started`."""
        ...
