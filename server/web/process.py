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

from .log import Form, formatter, log_crashes
from .protocol import protocol_of
from .readiness import Readiness, State

_KEEP_ALIVE = 75
"""Seconds an idle connection stays open: longer than clients keep theirs, so that they never meet a closed one."""


def version() -> str:
    """Return the version of this package."""
    try:
        return metadata.version("cogitate")
    except metadata.PackageNotFoundError:  # run from a source tree that was not installed
        return "0"


def start_log(level: str, form: Form = "text") -> None:
    """Write the log from here on, from `level` upwards, as text or as a JSON object a line."""
    handler = logging.StreamHandler()
    handler.setFormatter(formatter(form))
    logging.basicConfig(level=level.upper(), handlers=[handler])
    logging.captureWarnings(capture=True)
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it tells of every health check
    if form == "json":
        log_crashes()


def config_of(
    app: FastAPI,
    host: str,
    port: int,
    log_level: str,
    longest: float,
    *,
    header_bytes: int = 64 * 2**10,
    client_seconds: float = 20.0,
) -> uvicorn.Config:
    """Return how `app` is served, whose requests take at most `longest` seconds.

    Their heads are at most `header_bytes` long, and clients that neither send nor read are waited for
    `client_seconds`.
    """
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        log_level=log_level,
        log_config=None,  # its lines are written like all others
        access_log=False,
        server_header=False,
        proxy_headers=False,
        http=protocol_of(header_bytes, client_seconds),
        ws="none",
        timeout_keep_alive=_KEEP_ALIVE,
        timeout_graceful_shutdown=ceil(longest) + 5,
    )


def url_of(listening: socket) -> str:
    """Return the URL under which a socket can be reached."""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class Server(uvicorn.Server):
    """Uvicorn, that says where it listens, and that it is not ready before it stops listening.

    Requests are still taken for `drain_seconds` after a signal to stop; what runs is cut short after `stop_seconds`,
    but never while requests are taken. None: it ends by itself.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        readiness: Readiness,
        drain_seconds: float,
        announce: Callable[[str], None],
        stop_seconds: float | None = None,
    ) -> None:
        super().__init__(config)
        self._announce = announce
        self._readiness = readiness
        self._drain_seconds = drain_seconds
        self._stop_seconds = stop_seconds

    async def startup(self, sockets: list[socket] | None = None) -> None:
        """Open the port, and say which it is: 0 was any free one."""
        await super().startup(sockets)
        if self.started:
            self._announce(url_of(self.servers[0].sockets[0]))

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Drain first; a second signal stops at once."""
        again = self._readiness.state is State.DRAINING
        self._readiness.drain()
        loop = asyncio.get_running_loop()
        if again:
            loop.call_soon_threadsafe(self._readiness.cut_short)
        elif self._stop_seconds is not None:
            loop.call_later(max(self._stop_seconds, self._drain_seconds), self._readiness.cut_short)
        if again or not self._drain_seconds:
            super().handle_exit(sig, frame)
        else:
            loop.call_later(self._drain_seconds, super().handle_exit, sig, frame)
