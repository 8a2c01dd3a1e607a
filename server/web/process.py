"""The process: a server around an application, that drains before it stops."""

import asyncio
import logging
from collections.abc import Callable
from importlib import metadata
from math import ceil
from socket import socket
from types import FrameType

import uvicorn
from fastapi import FastAPI

from .readiness import Readiness, State

_KEEP_ALIVE = 75
"""Seconds an idle connection stays open: longer than clients keep theirs, so that they never meet a closed one."""


def version() -> str:
    """Return the version of this package."""
    try:
        return metadata.version("cogitate")
    except metadata.PackageNotFoundError:  # run from a source tree that was not installed
        return "0"


def start_log(level: str) -> None:
    """Write the log from here on, from `level` upwards."""
    logging.basicConfig(level=level.upper(), format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it tells of every health check


def config_of(app: FastAPI, host: str, port: int, log_level: str, longest: float) -> uvicorn.Config:
    """Return how `app` is served, whose requests take at most `longest` seconds."""
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        log_level=log_level,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws="none",
        timeout_keep_alive=_KEEP_ALIVE,
        timeout_graceful_shutdown=ceil(longest) + 5,
    )


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
        again = self._readiness.state is State.DRAINING
        self._readiness.drain()
        if again or not self._drain_seconds:
            super().handle_exit(sig, frame)
        else:
            asyncio.get_running_loop().call_later(self._drain_seconds, super().handle_exit, sig, frame)
