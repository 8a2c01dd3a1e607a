"""What the gateway is given: ports and numbers, no classes of other rooms."""

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Literal

from router.policy.table import Table
from router.ports import Generator, Scorer
from router.types import Problem
from server.admission import Admission
from server.keys import Keyring, LocalQuota, Quota
from server.report import RequestObserver, Trace
from server.web.readiness import Readiness


@dataclass(frozen=True, slots=True)
class Limits:
    """Numbers an operator sets: `max_deadline` in seconds, `max_body_bytes` in bytes, `max_samples` a count.

    A client may take `client_seconds` to send a body. `price` is the accuracy that `auto` asks of a sample-equivalent.
    """

    default_budget: str
    max_samples: int
    max_deadline: float
    max_body_bytes: int
    client_seconds: float = 20.0
    price: float = 0.002


@dataclass(frozen=True, slots=True)
class Exposition:
    """Metrics ready to be scraped."""

    body: bytes
    content_type: str


def _no_notice(_problem: Problem) -> str | None:
    return None


@dataclass(frozen=True, slots=True)
class Condition:
    """How a model is: `up` when it can answer now; `details` are for people who look at `/ready`."""

    up: bool = True
    details: Mapping[str, Any] = field(default_factory=dict[str, Any])


Rules = Literal["calibrated", "transferred", "default"]
"""What a model's plans rest on: measurements of it, measurements of another, or documented rules."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """A policy file in use: its table, and for people where it comes from.

    `digest` names its content, `made` is its date; `transferred` where it was made for other models.
    """

    table: Table
    digest: str
    made: str
    summary: str
    transferred: bool = False


@dataclass(frozen=True, slots=True)
class Model:
    """One model that clients can ask for, under the name `id`.

    `passes` names the fields of a request that the generator takes although nobody reads them here. `notice` says
    what the model does not know, or None. Without a `calibration` the default policy plans.
    """

    id: str
    generator: Generator
    scorer: Scorer | None
    passes: frozenset[str] = frozenset()
    notice: Callable[[Problem], str | None] = _no_notice
    condition: Callable[[], Condition] = Condition
    calibration: Calibration | None = None

    @property
    def rules(self) -> Rules:
        """What its plans rest on."""
        if self.calibration is None:
            return "default"
        return "transferred" if self.calibration.transferred else "calibrated"


@dataclass(frozen=True, slots=True)
class Deps:
    """All that the application stands on.

    A request that names no model gets the first of `models`. `running` is entered when the server starts and left
    when it has stopped; it opens and closes `readiness`. `trace` begins the trace of a request from its headers and
    its id. Without a `keyring` nobody is asked for a key.
    """

    models: tuple[Model, ...]
    version: str
    observers: tuple[RequestObserver, ...]
    exposition: Callable[[], Exposition]
    readiness: Readiness
    running: Callable[[], AbstractAsyncContextManager[None]]
    limits: Limits
    admission: Admission
    trace: Callable[[Mapping[str, str], str], Trace]
    keyring: Keyring | None = None
    quota: Quota = field(default_factory=LocalQuota)

    def model(self, name: str | None) -> Model | None:
        """Return the model of this name, the first where none is named, or None."""
        return self.models[0] if name is None else next((m for m in self.models if m.id == name), None)
