"""The servers of one measurement, each a process of its own, and the processor time they take."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Any
from urllib.request import urlopen

_PATIENCE = 30.0

_CONFIG = """
models = [
  {{ name = "token-ids", generators = ["{upstream}"], served = "m", dialect = "vllm" }},
  {{ name = "conversation", generators = ["{upstream}"], served = "m", dialect = "chat" }},
]
"""


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def processor_seconds(pid: int) -> float:
    """Return the time that all threads of a process have run, to the nanosecond: its clock, by clock_getcpuclockid."""
    return time.clock_gettime((~pid << 3) | 2)


@contextmanager
def forked(serve: Callable[..., None], *arguments: Any) -> Generator[tuple[int, int]]:
    """Run `serve(port, *arguments)` in a process of its own; yield (port, process id), and end it."""
    port = free_port()
    process = get_context("spawn").Process(target=serve, args=(port, *arguments), daemon=True)
    process.start()
    try:
        yield port, process.pid or 0
    finally:
        process.terminate()
        process.join()


@contextmanager
def gateway(folder: Path, name: str, upstream: str, settings: Mapping[str, str]) -> Generator[tuple[int, int]]:
    """Run `cogitate serve` with these settings; yield (port, process id). Its log goes to a file."""
    config, port = folder / f"{name}.toml", free_port()
    config.write_text(_CONFIG.format(upstream=upstream))
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(("COGITATE_", "OTEL_"))}
    environment = {**inherited, "COGITATE_CONFIG": str(config), "COGITATE_PORT": str(port), **settings}
    with (folder / f"{name}.log").open("wb") as log:
        command = [sys.executable, "-m", "server", "serve"]
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)  # noqa: S603 - our own
    try:
        await_ready(f"http://127.0.0.1:{port}/ready")
        yield port, process.pid
    finally:
        process.terminate()
        process.wait(_PATIENCE)


def new_key(file: Path) -> str:
    """Make a key in a file as an operator does; return its token."""
    command = [sys.executable, "-m", "server", "keys", "create", "bench", "--file", str(file)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()  # noqa: S603 - our own


def await_ready(url: str) -> None:
    """Return once `url` answers 200. Raises TimeoutError."""
    latest = time.monotonic() + _PATIENCE
    while time.monotonic() < latest:
        try:
            with urlopen(url, timeout=1):  # noqa: S310 - loopback
                return
        except OSError:
            time.sleep(0.1)
    raise TimeoutError(f"{url} does not answer")
