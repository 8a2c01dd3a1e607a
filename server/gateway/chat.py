"""`POST /v1/chat/completions`: one question, from its bytes to its answer."""

from typing import Any

from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from router.answering import Answer, NoAnswer, answer
from router.events import Observer
from router.ports import GeneratorError
from server.report import Outcome
from server.web import body
from server.web.disconnect import ClientGone, unless_gone
from server.web.edge import request_id
from server.web.errors import overloaded
from server.web.json import json_response, respond
from server.web.readiness import State

from . import errors, orders, replies
from .admission import Admission
from .deps import Deps
from .exchange import Exchange
from .orders import Order
from .progress import Narrator
from .streaming import Broken, Stream


class Chat:
    """The endpoint, as an ASGI application: it must hear a client leave while it searches."""

    def __init__(self, deps: Deps) -> None:
        self._deps = deps
        self._admission = Admission(deps.limits.max_concurrency)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or say why not; the observers hear of it either way."""
        exchange = Exchange(request_id(scope), self._deps.observers)
        try:
            await self._serve(Headers(scope=scope), receive, send, exchange)
            exchange.outcome = Outcome.ANSWERED
        except ClientGone:
            exchange.outcome = Outcome.CANCELLED
        except Broken as failure:
            exchange.outcome = failure.outcome
        except Exception as failure:  # noqa: BLE001 - the client is owed a reply, whatever it is
            error = errors.of(failure, exchange.request_id)
            exchange.cause = str(failure) if isinstance(failure, NoAnswer | GeneratorError) else None
            exchange.outcome = errors.outcome_of(error)
            await respond(error.response(), send)
        finally:
            exchange.close()

    async def _serve(self, headers: Headers, receive: Receive, send: Send, exchange: Exchange) -> None:
        if self._deps.readiness.state is State.STARTING:
            raise overloaded("No model of this server has answered yet.", "starting")
        limits = self._deps.limits
        data = await body.read(headers, receive, limits.max_body_bytes, limits.max_deadline)
        order = orders.read(data, headers, self._deps)
        exchange.grant = order.grant
        exchange.stream = bool(order.request.stream)
        exchange.model = order.model.id
        reply = self._stream if exchange.stream else self._plain
        with self._admission:
            await unless_gone(receive, reply(order, send, exchange))

    async def _plain(self, order: Order, send: Send, exchange: Exchange) -> None:
        narrator = Narrator()
        found = await self._think(order, exchange, narrator.observe, live=False)
        notice = order.model.notice(order.problem)
        account = replies.account(narrator.text, notice) if order.request.show_reasoning else None
        envelope = replies.envelope(order.model.id, self._deps.version)
        chosen = replies.returned(found, order.request.choices)
        content = replies.completion(envelope, chosen, account, found, _compute(order, exchange, found, notice))
        await respond(json_response(content, headers=replies.headers(found, order.grant)), send)

    async def _stream(self, order: Order, send: Send, exchange: Exchange) -> None:
        envelope = replies.envelope(order.model.id, self._deps.version)
        notice = order.model.notice(order.problem)
        await Stream(order, envelope, exchange, send, notice).run(
            think=lambda observe: self._think(order, exchange, observe, live=True),
            account=lambda found: _compute(order, exchange, found, notice),
        )

    async def _think(self, order: Order, exchange: Exchange, observe: Observer, *, live: bool) -> Answer:
        exchange.answer = await answer(
            order.problem,
            exchange.remaining(order.grant.budget),
            generator=order.model.generator,
            scorer=order.model.scorer,
            policy=order.chosen.policy,
            observe=observe,
            seed=order.seed,
            live=live,
        )
        return exchange.answer


def _compute(order: Order, exchange: Exchange, found: Answer, notice: str | None) -> dict[str, Any]:
    return replies.compute(found, order.grant, order.chosen.by, order.seed, exchange.seconds, notice)
