"""Liveness and readiness. Alive is a process that replies; ready is one whose models answer and that is to stay."""

import asyncio
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from router.ports import Draw, Generator, Tally
from router.types import ROOT, Message, Problem
from server.web.json import json_response
from server.web.readiness import Readiness, State

from .deps import Model


async def prove(generator: Generator) -> None:
    """Draw one token, so that readiness means that the model answers. Raises GeneratorError."""
    problem = Problem((Message("user", "What is 1 + 1?"),))
    await generator.measure(problem)
    draw = Draw(problem, ROOT, count=1, seed=0, max_tokens=1, whole=True, temperature=0.0)
    async for _ in generator.sample(draw, Tally()):
        await asyncio.sleep(0)


def routes(readiness: Readiness, models: tuple[Model, ...]) -> APIRouter:
    """Return `/health` (always 200) and `/ready` (503 unless ready, and some model can answer)."""
    router = APIRouter()

    @router.api_route("/health", methods=["GET", "HEAD"])
    async def health() -> Response:  # pyright: ignore[reportUnusedFunction]
        return json_response({"status": "ok"})

    @router.api_route("/ready", methods=["GET", "HEAD"])
    async def ready() -> Response:  # pyright: ignore[reportUnusedFunction]
        conditions = {model.id: model.condition() for model in models}
        able = readiness.state is State.READY and any(c.up for c in conditions.values())
        status = readiness.state.value if able or readiness.state is not State.READY else "down"
        told = {m.id: {"up": conditions[m.id].up, **conditions[m.id].details, **_rules(m)} for m in models}
        return json_response({"status": status, "models": told}, 200 if able else 503)

    return router


def _rules(model: Model) -> dict[str, Any]:
    """Return what the model's plans rest on."""
    file = model.calibration
    return {"policy": {"rules": model.rules, **({"digest": file.digest, "made": file.made} if file else {})}}
