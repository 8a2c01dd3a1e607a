"""Processes of our own that can be killed, stopped and started again at the same address."""

import asyncio
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import httpx

_PAUSE = 0.01
"""Seconds between two looks at a condition."""


async def until(condition: Callable[[], Awaitable[bool]], seconds: float = 20.0) -> None:
    """Return as soon as `condition` holds. Raises TimeoutError."""
    async with asyncio.timeout(seconds):
        while not await condition():  # noqa: ASYNC110 - it is another process that will have it so
            await asyncio.sleep(_PAUSE)


def free_port() -> int:
    """Return a port that stays free until it is used: outgoing connections take theirs from above 32768."""
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


@dataclass(slots=True)
class Process:
    """`python ARGUMENTS` as a server on `port`, which is ready once it answers `ready` with 200."""

    arguments: tuple[str, ...]
    log: Path
    ready: str = "/health"
    environment: dict[str, str] = field(default_factory=dict[str, str])
    port: int = field(default_factory=free_port)
    _running: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def alive(self) -> bool:
        """Whether it has been started and has not ended."""
        return self._running is not None and self._running.poll() is None

    def start(self) -> None:
        """Start it, or do nothing if it runs. It is not ready before `answers` says so."""
        if self.alive:
            return
        with self.log.open("ab") as log:
            self._running = subprocess.Popen(
                (sys.executable, *self.arguments), env={**os.environ, **self.environment}, stdout=log, stderr=log
            )

    def answers(self) -> bool:
        """Ask whether it is ready. Raises RuntimeError if it has ended by itself."""
        if not self.alive:
            raise RuntimeError(f"{self.arguments} has ended:\n{self.log.read_text()[-2000:]}")
        try:
            return httpx.get(self.url + self.ready, timeout=2.0, trust_env=False).status_code == 200
        except httpx.HTTPError:
            return False

    def wait(self, seconds: float = 180.0) -> None:
        """Return once it is ready. Raises TimeoutError."""
        latest = time.monotonic() + seconds
        while not self.answers():
            if time.monotonic() > latest:
                raise TimeoutError(f"{self.arguments} is not ready:\n{self.log.read_text()[-2000:]}")
            time.sleep(_PAUSE)

    def kill(self) -> None:
        """End it without warning."""
        self._send(signal.SIGKILL)
        if self._running:
            self._running.wait()

    def freeze(self) -> None:
        """Stop it where it stands: its connections stay open, and nothing comes from them."""
        self._send(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on, if it was stopped."""
        self._send(signal.SIGCONT)

    def end(self) -> None:
        """End it in an orderly way, and if that does not help in another."""
        self.thaw()
        self._send(signal.SIGTERM)
        try:
            if self._running:
                self._running.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.kill()

    def _send(self, number: signal.Signals) -> None:
        if self._running and self.alive:
            self._running.send_signal(number)
