"""`POST /v1/chat/completions`: one question, from its bytes to its answer."""

from dataclasses import replace
from typing import Any

from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from router.answering import Answer, NoAnswer, answer
from router.cut import Cut
from router.events import Observer
from router.ports import GeneratorError
from server.keys import Key
from server.report import Outcome
from server.upstream.carried import carried
from server.web import body
from server.web.disconnect import ClientGone, unless_gone
from server.web.edge import request_id
from server.web.errors import ApiError, overloaded
from server.web.json import json_response, respond
from server.web.readiness import State

from . import access, errors, orders, replies
from .deps import Deps
from .door import entered
from .exchange import Exchange
from .metering import MeteredGenerator, MeteredScorer
from .orders import Order
from .progress import Narrator
from .streaming import Broken, Stream


class Chat:
    """The endpoint, as an ASGI application: it must hear a client leave while it searches."""

    def __init__(self, deps: Deps) -> None:
        self._deps = deps

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or say why not; the observers hear of it either way."""
        headers, identity = Headers(scope=scope), request_id(scope)
        exchange = Exchange(identity, self._deps.observers, self._deps.trace(headers, identity))
        try:
            await self._serve(headers, receive, send, exchange)
            exchange.outcome = Outcome.ANSWERED
        except ClientGone:
            exchange.outcome = Outcome.CANCELLED
        except Broken as failure:
            exchange.outcome = failure.outcome
        except Exception as failure:  # noqa: BLE001 - the client is owed a reply, whatever it is
            error = errors.of(failure, identity)
            exchange.cause = str(failure) if isinstance(failure, NoAnswer | GeneratorError | ApiError) else None
            exchange.outcome, exchange.status = errors.outcome_of(error), error.status
            await respond(error.response(), send)
        finally:
            exchange.close()

    async def _serve(self, headers: Headers, receive: Receive, send: Send, exchange: Exchange) -> None:
        deps, limits = self._deps, self._deps.limits
        if deps.readiness.state is State.STARTING:
            exchange.shed = "starting"
            raise overloaded("No model of this server has answered yet.", "starting")
        key = access.identify(headers, deps.keyring, "chat")
        exchange.key = key.name if key else None
        data = await body.read(headers, receive, limits.max_body_bytes, limits.client_seconds)
        exchange.order = orders.read(data, headers, deps)
        order = access.confined(exchange.order, key)
        async with access.charged(deps.quota, key, order, exchange) as order:
            # a client counts as gone once it has its reply: to settle after that is no part of what its leaving ends
            await unless_gone(receive, self._admitted(order, key, send, exchange))

    async def _admitted(self, order: Order, key: Key | None, send: Send, exchange: Exchange) -> None:
        """Let the request in when it is its turn, with as many samples as there is room for."""
        carried.set(exchange.trace.headers)
        async with entered(self._deps, key, order, exchange) as let:
            exchange.granted = let.grant.budget
            reply = self._stream if order.request.stream else self._plain
            await reply(let, send, exchange)

    async def _plain(self, order: Order, send: Send, exchange: Exchange) -> None:
        narrator = Narrator()
        found = await self._think(order, exchange, narrator.observe, live=False)
        notice = order.model.notice(order.problem)
        account = replies.account(narrator.text, notice) if order.request.show_reasoning else None
        envelope = replies.envelope(order.model.id, self._deps.version)
        chosen = replies.returned(found, order.request.choices)
        content = replies.completion(envelope, chosen, account, found, _compute(order, exchange, found, notice))
        headers = {**replies.headers(found, order.grant), **exchange.headers}
        await respond(json_response(content, headers=headers), send)

    async def _stream(self, order: Order, send: Send, exchange: Exchange) -> None:
        envelope = replies.envelope(order.model.id, self._deps.version)
        notice = order.model.notice(order.problem)
        await Stream(order, envelope, exchange, send, notice).run(
            think=lambda observe: self._think(order, exchange, observe, live=True),
            account=lambda found: _compute(order, exchange, found, notice),
        )

    async def _think(self, order: Order, exchange: Exchange, observe: Observer, *, live: bool) -> Answer:
        model, cut = order.model, Cut()
        forget = self._deps.readiness.register(cut.now)
        try:
            found = await answer(
                order.problem,
                exchange.remaining(order.grant.budget),
                generator=MeteredGenerator(model.generator, exchange.meter),
                scorer=MeteredScorer(model.scorer, exchange.meter) if model.scorer else None,
                policy=order.chosen.policy,
                observe=exchange.recorded(observe),
                seed=order.seed,
                live=live,
                cut=cut,
            )
        finally:
            forget()
        exchange.answer = replace(found, degraded=(*found.degraded, *exchange.shortages(found)))
        return exchange.answer


def _compute(order: Order, exchange: Exchange, found: Answer, notice: str | None) -> dict[str, Any]:
    return replies.compute(found, order.grant, order.chosen.by, order.seed, exchange.seconds, notice)
