"""One API key as it is kept: a digest of its token, and what it allows."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from hashlib import sha256
from secrets import token_hex, token_urlsafe
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, PlainSerializer, StringConstraints

from router.policy.names import STRATEGIES

Scope = Literal["chat", "models", "metrics"]
"""What a key opens: answers, the list of models, the figures for Prometheus."""

Priority = Literal["high", "normal", "low"]
"""Whose requests wait least when there is a queue."""

_MOST = 10**12
"""No limit is larger: sums of such numbers are exact wherever they are counted."""

_FORBID = ConfigDict(extra="forbid", hide_input_in_errors=True)

_WORDS = PlainSerializer(sorted, return_type=list[str])


def _known(names: frozenset[str]) -> frozenset[str]:
    if unknown := sorted(names - STRATEGIES.keys()):
        raise ValueError(f"there is no strategy {', '.join(unknown)[:100]}; there are {', '.join(STRATEGIES)}")
    return names


def _day(value: object) -> object:
    """Read a day alone: of a time, the server would forget the hour."""
    try:
        return date.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        raise ValueError("a day looks like 2027-01-31") from None


Limit = Annotated[int, Field(ge=1, le=_MOST)] | None
Names = Annotated[frozenset[Annotated[str, StringConstraints(min_length=1, max_length=200)]], _WORDS]


@dataclass(frozen=True, slots=True)
class KeyLimits:
    """What a key may use; None is no bound.

    Compute is counted in generator tokens, as `compute_tokens` of a reply. `max_samples` and `max_compute` bound one
    request, `models` and `strategies` name what it may ask for.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _FORBID

    requests_per_minute: Limit = None
    requests_per_day: Limit = None
    compute_per_minute: Limit = None
    compute_per_day: Limit = None
    max_samples: Limit = None
    max_compute: Limit = None
    models: Names | None = None
    strategies: Annotated[Names, AfterValidator(_known)] | None = None

    @property
    def compute(self) -> bool:
        """Whether the compute of a minute or a day is bounded."""
        return self.compute_per_minute is not None or self.compute_per_day is not None

    @property
    def bounded(self) -> bool:
        """Whether its use has to be counted at all."""
        return self.compute or self.requests_per_minute is not None or self.requests_per_day is not None


@dataclass(frozen=True, slots=True)
class Key:
    """One key. `name` is for people, logs and traces; `id` is what its use is counted under.

    `digest` is the SHA-256 of its token, in hexadecimal digits. `expires` is the last day, in UTC, on which it is good.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _FORBID

    id: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    digest: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")] = field(repr=False)
    scopes: Annotated[frozenset[Scope], Field(min_length=1), _WORDS] = frozenset[Scope](("chat", "models"))
    limits: KeyLimits = KeyLimits()
    priority: Priority = "normal"
    expires: Annotated[date | None, BeforeValidator(_day)] = None

    def expired(self, today: date | None = None) -> bool:
        """Return whether its last day has passed; `today` is the day in UTC."""
        return self.expires is not None and self.expires < (today or datetime.now(UTC).date())


def new_id() -> str:
    """Return an id that no other key has."""
    return f"key_{token_hex(6)}"


def new_token() -> str:
    """Return a new token: 256 random bits behind a prefix that scanners of leaked secrets can look for."""
    return f"cog_{token_urlsafe(32)}"


def digest(token: str) -> str:
    """Return what is kept of a token. Total: a header may carry any characters."""
    return sha256(token.encode(errors="backslashreplace")).hexdigest()
