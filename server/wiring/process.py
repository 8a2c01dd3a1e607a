"""The processes that serve the gateway."""

import os
import socket
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from functools import partial
from tempfile import TemporaryDirectory

from prometheus_client import multiprocess

from server.settings import Settings
from server.web.process import Server, config_of, start_log
from server.web.workers import Workers

from .app import build

_METRICS = "PROMETHEUS_MULTIPROC_DIR"
"""Where prometheus_client keeps the counts of several processes; it is read when that is imported."""


def serve(settings: Settings, announce: Callable[[str], None]) -> None:
    """Serve until a signal to stop; then finish what is under way. `announce` is told the address once it is open.

    Raises ValueError for settings that make no sense.
    """
    start_log(settings.log_level, settings.log_format)
    if settings.workers == 1:
        _server(settings, announce).run()
        return
    with closing(listening(settings.host, settings.port)) as shared, _common_metrics() as buried:
        Workers(partial(_work, settings), settings.workers, shared, announce, buried).run()


def listening(host: str, port: int) -> socket.socket:
    """Return a socket that listens there. Raises ValueError where that is not possible."""
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        return socket.create_server(address[:2], family=family)
    except OSError as fault:
        raise ValueError(f"cannot listen on {host}, port {port}: {fault.strerror or fault}") from None


def _work(settings: Settings, shared: socket.socket, announce: Callable[[str], None]) -> None:
    """Serve as one of several workers."""
    start_log(settings.log_level, settings.log_format)
    _server(settings, announce).run(sockets=[shared])


def _server(settings: Settings, announce: Callable[[str], None]) -> Server:
    app, readiness = build(settings)
    config = config_of(
        app,
        settings.host,
        settings.port,
        settings.log_level,
        settings.max_deadline,
        header_bytes=settings.max_header_bytes,
        client_seconds=settings.client_seconds,
    )
    return Server(config, readiness, settings.drain_seconds, announce, settings.stop_seconds)


@contextmanager
def _common_metrics() -> Generator[Callable[[int], None]]:
    """Let the processes started meanwhile keep their metrics in one place; give what forgets one that has died."""
    with TemporaryDirectory(prefix="cogitate-metrics-") as folder:
        os.environ[_METRICS] = folder
        try:
            yield partial(_forget, folder)
        finally:
            del os.environ[_METRICS]


def _forget(folder: str, process: int) -> None:
    multiprocess.mark_process_dead(process, folder)  # pyright: ignore[reportUnknownMemberType]
