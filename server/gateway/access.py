"""Who may ask for what: the client's key, and what it allows.

401 invalid_request_error   no key, or one that is unknown, revoked or expired
403 permission_error        the key does not allow this
429 rate_limit_error        the key has used up what it may use in this minute or day
503 overloaded_error        nobody can say what it has used
"""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from math import ceil

from starlette.datastructures import Headers
from starlette.requests import Request

from router.plan import Plan, Policy, Room
from router.policy.names import plan_for
from router.types import Difficulty
from server.keys import Exhausted, Key, Keyring, Quota, Scope, Unavailable
from server.web.errors import ApiError, overloaded

from .exchange import Exchange
from .orders import Order

_UNBOUNDED = 4096
"""Tokens asked of a quota for a sample whose length the client leaves open."""

_LEAST = 256
"""Tokens of compute with which a search is worth beginning."""

_FLAT = ("weighted_best_of_n", "best_of_n", "majority_voting")
"""What stands in for a strategy that a key does not allow, the likest first."""


def identify(headers: Headers, keyring: Keyring | None, scope: Scope) -> Key | None:
    """Return the client's key, None where nobody needs one. Raises ApiError: 401 without, 403 beyond its scopes."""
    if keyring is None:
        return None
    lines = headers.getlist("authorization")
    kind, _, token = (lines[0] if len(lines) == 1 else "").partition(" ")  # of several, a proxy may mean another
    key = keyring.find(token.strip()) if kind.lower() == "bearer" and token else None
    if key is None:
        text = "A valid API key is needed: 'Authorization: Bearer <key>'."
        raise ApiError(401, text, code="invalid_api_key", headers={"www-authenticate": "Bearer"})
    if scope not in key.scopes:
        raise _forbidden(f"This key does not allow '{scope}'.")
    return key


def guard(keyring: Keyring | None, scope: Scope) -> Callable[[Request], None]:
    """Return a check of requests for routes that need nothing of the key but its scope."""

    def check(request: Request) -> None:
        identify(request.headers, keyring, scope)

    return check


def confined(order: Order, key: Key | None) -> Order:
    """Return the order within what the key allows: budgets are lowered, the rest is refused. Raises ApiError (403)."""
    if key is None:
        return order
    limits, grant = key.limits, order.grant
    if limits.models is not None and order.model.id not in limits.models:
        raise _forbidden(f"This key does not allow the model '{order.model.id}'.", "model")
    if limits.strategies is not None and grant.strategy and grant.strategy not in limits.strategies:
        raise _forbidden(f"This key does not allow the strategy '{grant.strategy}'.", "strategy")
    if limits.max_samples is not None and order.request.choices > limits.max_samples:
        raise _forbidden(f"This key allows {limits.max_samples} samples, and 'n' asks for more.", "n")
    order = order.with_samples(min(grant.samples, limits.max_samples or grant.samples))
    if limits.max_compute is not None:
        order = order.with_tokens(limits.max_compute)
    if limits.strategies is None or grant.strategy:
        return order
    return replace(order, chosen=replace(order.chosen, policy=Only(order.chosen.policy, limits.strategies)))


@dataclass(frozen=True, slots=True)
class Only:
    """A policy that plans with some strategies alone. One greedy sample is always allowed."""

    policy: Policy
    strategies: frozenset[str]

    def probe(self, room: Room) -> int:
        """Return what the other policy returns."""
        return self.policy.probe(room)

    def plan(self, difficulty: Difficulty | None, room: Room) -> Plan:
        """Return what the other policy plans, or the likest to it that is allowed; else what there is is enough."""
        plan = self.policy.plan(difficulty, room)
        if plan.name is None or plan.name in self.strategies or (plan.n <= 1 and not room.solutions):
            return plan
        for name in _FLAT:
            if name in self.strategies and (room.verified or name == "majority_voting"):
                return replace(plan_for(name, max(1, plan.n), reason=plan.reason), provisional=plan.provisional)
        if room.solutions:
            return Plan(None, plan.aggregate, plan.reduce, "the key allows no further strategy", "complete")
        return plan_for("greedy", 1, reason="the key allows no further strategy")


@asynccontextmanager
async def charged(quota: Quota, key: Key | None, order: Order, exchange: Exchange) -> AsyncGenerator[Order]:
    """Set aside what the request may take, give its order within that, and settle what it has taken, however it ends.

    Raises ApiError: 429 where too little is left, 503 where the store of quotas does not answer.
    """
    if key is None:
        yield order
        return
    try:
        reservation = await quota.reserve(key, *_wanted(order))
    except Exhausted as end:
        exchange.shed = f"key_{end.what}"
        raise _exhausted(end) from None
    except Unavailable:
        exchange.shed = "quota"
        raise overloaded("What this key has used cannot be looked up.", "quota_unavailable") from None
    exchange.headers = reservation.remaining
    try:
        yield order if reservation.granted is None else order.with_tokens(reservation.granted)
    finally:
        await reservation.settle(exchange.spent)


def _wanted(order: Order) -> tuple[int, int]:
    """Return the compute the request may take, and the least it makes sense with, in tokens."""
    length = order.problem.max_tokens or _UNBOUNDED
    scorer = order.model.scorer
    sample = length + (ceil(scorer.ratio * scorer.bill(length, length)) if scorer else 0)
    ask = min(order.grant.budget.tokens or order.grant.samples * sample, order.grant.samples * sample)
    return ask, min(ask, length, _LEAST)


def _forbidden(message: str, param: str | None = None) -> ApiError:
    return ApiError(403, message, "permission_error", "permission_denied", param)


def _exhausted(end: Exhausted) -> ApiError:
    text = f"This key may use {end.limit} {_UNITS[end.what]} a {end.window}, and has too little of it left."
    headers = {"retry-after": str(max(1, ceil(end.retry_after)))}
    if end.hopeless:
        headers = {"x-should-retry": "false"}
        text = f"This key may use {end.limit} {_UNITS[end.what]} a {end.window}: too little for any answer."
    return ApiError(429, text, "rate_limit_error", "rate_limit_exceeded", headers=headers)


_UNITS = {"requests": "requests", "compute": "tokens of compute"}
