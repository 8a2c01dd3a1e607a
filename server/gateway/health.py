"""Liveness and readiness. Alive is a process that replies; ready is one whose models answer and that is to stay."""

import asyncio
import time
from enum import StrEnum

from fastapi import APIRouter
from starlette.responses import Response

from router.ports import Draw, Generator, Tally
from router.types import ROOT, Message, Problem

from .wire import json_response


class State(StrEnum):
    """The life of a server, in order."""

    STARTING = "starting"
    READY = "ready"
    DRAINING = "draining"


class Readiness:
    """Whether new requests should come here. `since` is the Unix time at which the server started."""

    def __init__(self) -> None:
        self.state = State.STARTING
        self.since = int(time.time())

    def open(self) -> None:
        """Note that the models answer."""
        if self.state is State.STARTING:
            self.state = State.READY

    def drain(self) -> None:
        """Ask for no more requests: the server is about to stop."""
        self.state = State.DRAINING


async def prove(generator: Generator) -> None:
    """Draw one token, so that readiness means that the model answers. Raises GeneratorError."""
    problem = Problem((Message("user", "What is 1 + 1?"),))
    await generator.measure(problem)
    draw = Draw(problem, ROOT, count=1, seed=0, max_tokens=1, whole=True, temperature=0.0)
    async for _ in generator.sample(draw, Tally()):
        await asyncio.sleep(0)


def routes(readiness: Readiness) -> APIRouter:
    """Return `/health` (always 200) and `/ready` (503 unless ready)."""
    router = APIRouter()

    @router.api_route("/health", methods=["GET", "HEAD"])
    async def health() -> Response:  # pyright: ignore[reportUnusedFunction]
        return json_response({"status": "ok"})

    @router.api_route("/ready", methods=["GET", "HEAD"])
    async def ready() -> Response:  # pyright: ignore[reportUnusedFunction]
        status = 200 if readiness.state is State.READY else 503
        return json_response({"status": readiness.state.value}, status)

    return router
