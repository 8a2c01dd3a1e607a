"""What a client allows: from a header, a field or an effort to a router's Budget.

    X-Compute-Budget: high
    X-Compute-Budget: samples=16, tokens=20000, deadline=2.5, strategy=beam_search
    X-Compute-Budget: high, deadline=2.5
    X-Compute-Budget: auto, price=0.01

The value is a dictionary of RFC 9651 (structured fields), in which a bare preset is a key of its own.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, cast

import http_sf

from router.budget import Budget
from router.policy.names import STRATEGIES
from server.web.errors import ApiError, invalid

from .deps import Limits
from .errors import BUDGET_HEADER
from .schemas import ChatRequest

PRESETS: Mapping[str, int] = {"minimal": 1, "low": 4, "medium": 16, "high": 32, "max": 64, "auto": 64}
"""Samples of each preset; `auto` leaves it to the policy how many of them are worth it."""

EFFORTS: Mapping[str, str] = {
    "none": "minimal",
    "minimal": "minimal",
    "low": "low",
    "medium": "medium",
    "high": "high",
    "xhigh": "max",
    "max": "max",
}
"""OpenAI's reasoning efforts as presets."""

SPENDING = 0.00002
"""The price where compute was named rather than left to `auto`: it is spent as long as it is expected to help."""

_KEYS = ("samples", "tokens", "deadline", "strategy", "price")

_LONGEST = 500
"""Characters of a value; what says anything is far shorter."""

_BARE_PRESET = re.compile(rf"(?i)(?<![^\s,])({'|'.join(PRESETS)})(?![^\s,])")


@dataclass(frozen=True, slots=True)
class Grant:
    """What a request gets: a budget, a strategy if one is pinned, and where it came from.

    `source` is "header", "compute_budget", "reasoning_effort", "reasoning.effort" or "default", `asked` the
    text that was found there. `price` is the accuracy one sample-equivalent must gain; `named` are the keys that stood
    in the text.
    """

    source: str
    asked: str
    preset: str | None
    budget: Budget
    strategy: str | None
    price: float = SPENDING
    named: frozenset[str] = frozenset()

    @property
    def demanded(self) -> bool:
        """Whether several samples were asked for, whatever the question: beside a preset a number is only a bound."""
        return self.strategy is not None or (self.preset is None and "samples" in self.named)

    @property
    def samples(self) -> int:
        """The bound on samples: every grant has one."""
        return self.budget.samples or 1

    @property
    def name(self) -> str:
        """The preset's name, or "custom"."""
        return self.preset or "custom"

    @property
    def header(self) -> str:
        """What was granted, as a dictionary of RFC 9651."""
        bounds = {
            "samples": self.budget.samples,
            "tokens": self.budget.tokens,
            "deadline": None if self.budget.deadline is None else round(self.budget.deadline, 3),
            "strategy": self.strategy,
            "price": self.price if "price" in self.named else None,
        }
        return ", ".join(f"{name}={value}" for name, value in bounds.items() if value is not None)


@dataclass(slots=True)
class _Terms:
    """What a value says, before limits and defaults."""

    preset: str | None = None
    bounds: dict[str, Any] = field(default_factory=dict[str, Any])


def grant(request: ChatRequest, header: str | None, limits: Limits) -> Grant:
    """Return the budget of a request: header before `compute_budget` before effort before the default.

    `header` is the value of all the header's lines, joined by commas, or None without one. Raises ApiError
    (400) naming the place whose value is at fault.
    """
    effort, place = request.reasoning_effort, "reasoning_effort"
    if effort is None and request.reasoning:
        effort, place = request.reasoning.effort, "reasoning.effort"
    if header is not None:
        return read("header", BUDGET_HEADER, header, limits)
    if request.compute_budget is not None:
        return read("compute_budget", "compute_budget", request.compute_budget, limits)
    if effort is not None:
        return read(place, place, _preset_of(effort, place), limits, asked=effort)
    return read("default", "default_budget", limits.default_budget, limits)


def _preset_of(effort: str, place: str) -> str:
    preset = EFFORTS.get(effort)
    if preset is None:
        raise invalid(f"'{place}' must be one of {', '.join(EFFORTS)}.", place, "invalid_value")
    return preset


def read(source: str, param: str, text: str, limits: Limits, asked: str | None = None) -> Grant:
    """Return the budget that `text` names. Raises ApiError (400) with `param` for what cannot be read.

    `source` says where it was found, `asked` how it was written there if not as `text`.
    """
    try:
        terms = _terms(text, limits)
    except ValueError as fault:
        raise _refusal(param, str(fault), limits) from None
    samples = terms.bounds.get("samples") or _samples(terms, limits)
    deadline = min(terms.bounds.get("deadline", limits.max_deadline), limits.max_deadline)
    return Grant(
        source=source,
        asked=text.strip() if asked is None else asked,
        preset=terms.preset,
        budget=Budget(samples=samples, tokens=terms.bounds.get("tokens"), deadline=deadline),
        strategy=terms.bounds.get("strategy"),
        price=terms.bounds.get("price") or (limits.price if terms.preset == "auto" else SPENDING),
        named=frozenset(terms.bounds),
    )


def _samples(terms: _Terms, limits: Limits) -> int:
    """Return the bound on samples where none is given: a bound of another kind alone means all that fits."""
    if terms.preset is None and terms.bounds.keys() & {"tokens", "deadline"}:
        return limits.max_samples
    return min(PRESETS[terms.preset or "auto"], limits.max_samples)


def _terms(text: str, limits: Limits) -> _Terms:
    """Read a value. Raises ValueError saying what is wrong with it."""
    if len(text) > _LONGEST:
        raise ValueError("it is too long")
    lowered = _BARE_PRESET.sub(lambda m: m[0].lower(), text.strip())
    parsed = http_sf.parse(lowered.encode("ascii", "replace"), tltype="dictionary")
    members = cast("Mapping[str, tuple[object, object]]", parsed)
    if not members:
        raise ValueError("it is empty")
    terms = _Terms()
    for key, (value, parameters) in members.items():
        if parameters:
            raise ValueError(f"'{key}' takes no parameters")
        if key in PRESETS and value is True:
            if terms.preset:
                raise ValueError("it names two presets")
            terms.preset = key
        else:
            terms.bounds[key] = _bound(key, value, limits)
    if {"price", "strategy"} <= terms.bounds.keys():
        raise ValueError("'price' has no use beside 'strategy', which spends what it is given")
    return terms


def _bound(key: str, value: object, limits: Limits) -> int | float | str:
    match key, value:
        case _, bool() if key in _KEYS:
            raise ValueError(f"'{key}' needs a value")
        case "samples", int() if 1 <= value <= limits.max_samples:
            return value
        case "tokens", int() if value >= 1:
            return value
        case "deadline", int() | Decimal() if value > 0:
            return float(value)
        case "strategy", str() | http_sf.Token() if str(value) in STRATEGIES:
            return str(value)
        case "price", int() | Decimal() if 0 < value <= 1:
            return float(value)
        case _ if key in _KEYS:
            raise ValueError(f"the value of '{key}' is not allowed")
        case _:
            raise ValueError(f"'{key[:40]}' is not known")


def _refusal(param: str, fault: str, limits: Limits) -> ApiError:
    allowed = (
        f"Allowed is one of {', '.join(PRESETS)}, or any of samples=<1..{limits.max_samples}>, "
        f"tokens=<1 or more>, deadline=<seconds above 0>, strategy=<{' | '.join(STRATEGIES)}>, "
        "price=<accuracy a sample must gain, 0.001 to 1>, "
        "separated by commas, with or without a preset before them."
    )
    return invalid(f"'{param}' cannot be read: {fault[:120]}. {allowed}", param, "invalid_budget")


def check_default(limits: Limits) -> None:
    """Raise ValueError when the operator's default cannot be read: at the start, not at the first request."""
    try:
        _terms(limits.default_budget, limits)
    except ValueError as fault:
        raise ValueError(f"the default budget {limits.default_budget!r} cannot be read: {fault}") from None
