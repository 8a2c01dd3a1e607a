"""The way in: a request gets as many of its samples as the server can draw beside the others', or waits, or leaves."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from math import ceil

from server.admission import Shed, Ticket
from server.keys import Key
from server.web.errors import ApiError

from .deps import Deps
from .exchange import Exchange
from .orders import Order

_PRIORITIES = {"high": 0, "normal": 1, "low": 2}


@asynccontextmanager
async def entered(deps: Deps, key: Key | None, order: Order, exchange: Exchange) -> AsyncGenerator[Order]:
    """Wait for the request's turn, and give its order with the samples it gets. Raises ApiError (503)."""
    try:
        async with deps.admission.enter(_ticket(order, key)) as entry:
            exchange.queued = entry.waited
            try:
                yield order.with_samples(entry.samples)
            finally:
                if exchange.answer:
                    entry.spent(exchange.answer.spent.samples)
    except Shed as shed:
        exchange.shed = shed.reason
        raise _refusal(shed) from None


def _ticket(order: Order, key: Key | None) -> Ticket:
    grant = order.grant
    return Ticket(
        kind=f"{order.model.id} {grant.name} {grant.strategy} {grant.samples}",
        key=key.id if key else "",
        samples=grant.samples,
        least=order.request.choices,
        priority=_PRIORITIES[key.priority if key else "normal"],
    )


def _refusal(shed: Shed) -> ApiError:
    text = "The server has more to do than it can: nothing was free in time for this request."
    headers = {"retry-after": str(max(1, ceil(shed.retry_after))), "x-should-retry": "true"}
    return ApiError(503, text, "overloaded_error", "search_overloaded", headers=headers)
