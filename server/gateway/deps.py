"""What the gateway is given: ports and numbers, no classes of other rooms."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from router.ports import Generator, Scorer
from router.types import Problem
from server.report import RequestObserver

from .health import Readiness


@dataclass(frozen=True, slots=True)
class Limits:
    """Numbers an operator sets: `max_deadline` in seconds, `max_body_bytes` in bytes, the others are counts."""

    default_budget: str
    max_samples: int
    max_deadline: float
    max_body_bytes: int
    max_concurrency: int


@dataclass(frozen=True, slots=True)
class Exposition:
    """Metrics ready to be scraped."""

    body: bytes
    content_type: str


@dataclass(frozen=True, slots=True)
class Deps:
    """All that the application stands on.

    `model` is the id that clients name. `notice` says what the model does not know, or None. `running` is
    entered when the server starts and left when it has stopped; it opens and closes `readiness`.
    """

    model: str
    version: str
    generator: Generator
    scorer: Scorer | None
    notice: Callable[[Problem], str | None]
    observers: tuple[RequestObserver, ...]
    exposition: Callable[[], Exposition]
    readiness: Readiness
    running: Callable[[], AbstractAsyncContextManager[None]]
    limits: Limits
