"""From a request's bytes to what the router is to do."""

import random
from dataclasses import dataclass, replace

from starlette.datastructures import Headers

from router.budget import Budget
from router.types import Problem
from server.web.errors import invalid, model_not_found

from .budgets import Grant, grant
from .choices import Chosen, policy_for
from .deps import Deps, Model
from .errors import BUDGET_HEADER
from .schemas import ChatRequest, parse


@dataclass(frozen=True, slots=True)
class Order:
    """One request, understood. `seed` is the client's, or drawn at random so that it can be told."""

    request: ChatRequest
    problem: Problem
    grant: Grant
    chosen: Chosen
    model: Model
    seed: int

    def with_samples(self, most: int) -> "Order":
        """Return the order with at most so many samples."""
        return self if self.grant.samples <= most else self._within(replace(self.grant.budget, samples=most))

    def with_tokens(self, most: int) -> "Order":
        """Return the order with at most so much compute."""
        tokens = self.grant.budget.tokens
        enough = tokens is not None and tokens <= most
        return self if enough else self._within(replace(self.grant.budget, tokens=most))

    def _within(self, budget: Budget) -> "Order":
        return replace(self, grant=replace(self.grant, budget=budget))


def read(body: bytes, headers: Headers, deps: Deps) -> Order:
    """Return the order. Raises ApiError saying which field is at fault."""
    request = parse(body)
    model = deps.model(request.model or None)
    if model is None:
        raise model_not_found(request.model or "", [m.id for m in deps.models])
    request.refuse_all_but(model.passes)
    lines = headers.getlist(BUDGET_HEADER)
    granted = grant(request, ", ".join(lines) if lines else None, deps.limits)
    if request.choices > granted.samples:
        raise invalid(f"'n' is {request.choices}, but the budget allows {granted.samples} samples.", "n")
    problem = request.problem(model.passes)
    return Order(
        request=request,
        problem=problem,
        grant=granted,
        chosen=policy_for(granted, request.choices, problem, model),
        model=model,
        seed=random.getrandbits(32) if request.seed is None else request.seed,
    )
