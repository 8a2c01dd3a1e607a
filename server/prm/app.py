"""The scoring service as an application: `POST /v1/score`, and what an operator asks of it."""

import asyncio
import time
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from server.web import body, errors, models
from server.web.app import empty_app
from server.web.disconnect import ClientGone, unless_gone
from server.web.edge import request_id
from server.web.json import json_response, respond
from server.web.readiness import State

from . import schemas
from .batching import QueueFull
from .limits import MOST_BYTES
from .loading import Loading
from .metrics import Metrics, Outcome
from .scoring import Judge, Judged


@dataclass(frozen=True, slots=True)
class Service:
    """What the application stands on. A body has at most `max_body_bytes`, and `body_seconds` to arrive."""

    model: str
    version: str
    loading: Loading
    metrics: Metrics
    max_body_bytes: int = MOST_BYTES
    body_seconds: float = 30.0


def create_app(service: Service) -> FastAPI:
    """Return the application."""
    app = empty_app("Cogitate PRM", service.version, service.loading.running)
    _add_probes(app, service)
    app.include_router(models.routes([service.model], service.loading.readiness.since))
    app.router.routes.append(Route("/v1/score", Score(service), methods=["POST"]))
    return app


class Score:
    """The endpoint, as an ASGI application: it must hear a client leave while its items wait."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Judge, or say why not; the metrics hear of it either way."""
        outcome, started = Outcome.INTERNAL, time.perf_counter()
        self._service.metrics.started()
        try:
            content = await self._score(Headers(scope=scope), receive)
            outcome = Outcome.ANSWERED
            await respond(json_response(content), send)
        except ClientGone:
            outcome = Outcome.CANCELLED
        except asyncio.CancelledError:
            outcome = Outcome.CANCELLED
            raise
        except Exception as failure:  # noqa: BLE001 - the client is owed a reply, whatever it is
            error = _error(failure, request_id(scope))
            outcome = _OUTCOMES.get(error.status, Outcome.INVALID)
            await respond(error.response(), send)
        finally:
            self._service.metrics.ended(outcome, time.perf_counter() - started)

    async def _score(self, headers: Headers, receive: Receive) -> dict[str, Any]:
        service = self._service
        if (judge := service.loading.judge) is None:
            raise errors.overloaded("The model is not loaded yet.", "starting")
        request = schemas.parse(await body.read(headers, receive, service.max_body_bytes, service.body_seconds))
        if request.model is not None and request.model != service.model:
            raise errors.model_not_found(request.model, [service.model])
        return await unless_gone(receive, self._judged(judge, request))

    async def _judged(self, judge: Judge, request: schemas.ScoreRequest) -> dict[str, Any]:
        outcomes = await judge.judge([item.item() for item in request.items])
        judged = [o for o in outcomes if isinstance(o, Judged)]
        total, computed = sum(j.total for j in judged), sum(j.computed for j in judged)
        self._service.metrics.judged(len(judged), len(outcomes) - len(judged), total, computed)
        return schemas.reply(self._service.model, outcomes)


_OUTCOMES = {500: Outcome.INTERNAL, 502: Outcome.MODEL, 503: Outcome.OVERLOADED}


def _error(failure: Exception, identity: str) -> errors.ApiError:
    if isinstance(failure, QueueFull):
        return errors.overloaded("The queue is full.", "queue_full")
    return errors.of(failure, identity)


def _add_probes(app: FastAPI, service: Service) -> None:
    """Add `/health` (always 200), `/ready` (503 unless ready) and `/metrics`."""

    @app.api_route("/health", methods=["GET", "HEAD"])
    async def health() -> Response:  # pyright: ignore[reportUnusedFunction]
        return json_response({"status": "ok"})

    @app.api_route("/ready", methods=["GET", "HEAD"])
    async def ready() -> Response:  # pyright: ignore[reportUnusedFunction]
        state = service.loading.readiness.state
        return json_response({"status": state.value}, 200 if state is State.READY else 503)

    @app.get("/metrics")
    async def metrics() -> Response:  # pyright: ignore[reportUnusedFunction]
        return Response(service.metrics.exposed(), headers={"content-type": service.metrics.content_type})
