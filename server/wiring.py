"""The composition root: the one file that knows every class. From settings to a running server."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from importlib.metadata import PackageNotFoundError, version
from math import ceil
from socket import socket
from types import FrameType

import uvicorn
from fastapi import FastAPI

from .embedded import Embedded, load
from .gateway import Deps, Exposition, Limits, Readiness, create_app, prove
from .observers import Log, Metrics
from .settings import Settings

_log = logging.getLogger(__name__)

_KEEP_ALIVE = 75
"""Seconds an idle connection stays open: longer than clients keep theirs, so that they never meet a closed one."""


def build(settings: Settings) -> tuple[FastAPI, Readiness]:
    """Return the application on the embedded models, and what says whether it is ready.

    The weights are read here, the engines start with the server. Raises ValueError for settings that make no sense.
    """
    models, readiness, metrics = load(settings.weights), Readiness(), Metrics(_version())
    deps = Deps(
        model=settings.model,
        version=_version(),
        generator=models.generator,
        scorer=models.scorer,
        notice=models.notice,
        observers=(metrics, Log()),
        exposition=lambda: Exposition(metrics.exposed(), metrics.content_type),
        readiness=readiness,
        running=lambda: _running(models, readiness),
        limits=limits_of(settings),
    )
    return create_app(deps), readiness


def limits_of(settings: Settings) -> Limits:
    """Return the numbers that bound every request."""
    return Limits(
        default_budget=settings.default_budget,
        max_samples=settings.max_samples,
        max_deadline=settings.max_deadline,
        max_body_bytes=settings.max_body_bytes,
        max_concurrency=settings.max_concurrency,
    )


def serve(settings: Settings, announce: Callable[[str], None]) -> None:
    """Serve until a signal to stop; then finish what is under way. `announce` is told the address once it is open."""
    logging.basicConfig(level=settings.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s %(message)s")
    app, readiness = build(settings)
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        log_level=settings.log_level,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=_KEEP_ALIVE,
        timeout_graceful_shutdown=ceil(settings.max_deadline) + 5,
    )
    Server(config, readiness, settings.drain_seconds, announce).run()


class Server(uvicorn.Server):
    """Uvicorn, that says where it listens, and that it is not ready before it stops listening."""

    def __init__(
        self, config: uvicorn.Config, readiness: Readiness, drain_seconds: float, announce: Callable[[str], None]
    ) -> None:
        super().__init__(config)
        self._announce = announce
        self._readiness = readiness
        self._drain_seconds = drain_seconds

    async def startup(self, sockets: list[socket] | None = None) -> None:
        """Open the port, and say which it is: 0 was any free one."""
        await super().startup(sockets)
        if self.started:
            host, port = self.servers[0].sockets[0].getsockname()[:2]
            self._announce(f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}")

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Drain first; a second signal stops at once."""
        again = self._readiness.state == "draining"
        self._readiness.drain()
        if again or not self._drain_seconds:
            super().handle_exit(sig, frame)
        else:
            asyncio.get_running_loop().call_later(self._drain_seconds, super().handle_exit, sig, frame)


@asynccontextmanager
async def _running(models: Embedded, readiness: Readiness) -> AsyncGenerator[None]:
    """Start the models beside the server, which is alive meanwhile, and close them after it."""
    starting = asyncio.create_task(_start(models, readiness))
    try:
        yield
    finally:
        readiness.drain()
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        await models.aclose()


async def _start(models: Embedded, readiness: Readiness) -> None:
    try:
        models.start()
        await prove(models.generator)
    except Exception:  # noqa: BLE001 - whatever it is, being alive and not ready is what tells
        _log.exception("the models do not answer; the server stays not ready")
    else:
        readiness.open()


def _version() -> str:
    try:
        return version("cogitate")
    except PackageNotFoundError:  # run from a source tree that was not installed
        return "0"
