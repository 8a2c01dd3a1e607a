"""A real Redis on a free port that keeps nothing."""

import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import redis

from server.keys import RedisQuota
from server.keys.shared import PREFIX

needs_redis = pytest.mark.skipif(shutil.which("redis-server") is None, reason="redis-server is not installed")


class RedisServer:
    """Started at once; can be killed, stalled and started again on the same port."""

    def __init__(self, folder: Path, password: str | None = None) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self.folder, self.password = folder, password
        self.url = f"redis://{f':{password}@' if password else ''}127.0.0.1:{self.port}/0"
        self.start()

    def start(self) -> None:
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        secret = ["--requirepass", self.password] if self.password else []
        self.process = subprocess.Popen(
            ["redis-server", *options, *secret, "--dir", str(self.folder)], stdout=subprocess.DEVNULL
        )
        self.client = redis.Redis.from_url(self.url, decode_responses=True)
        end = time.monotonic() + 20
        while True:
            try:
                self.client.ping()
            except redis.ConnectionError:
                assert self.process.poll() is None
                assert time.monotonic() < end
                time.sleep(0.02)
            else:
                return

    def books(self, clock: Callable[[], float] | None = None) -> RedisQuota:
        """Return quotas that wait long: tests run on machines that are busy."""
        return RedisQuota.from_url(self.url, clock, patience=30)

    def kill(self) -> None:
        self.client.close()
        self.process.kill()
        self.process.wait()

    def stall(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def account(self, key_id: str) -> dict[str, str]:
        return dict(self.client.hgetall(PREFIX + key_id))  # pyright: ignore

    def used(self, key_id: str) -> tuple[int, ...]:
        """Return requests and compute of the day, requests and compute of the minute."""
        names = ("day_requests", "day_compute", "minute_requests", "minute_compute")
        return tuple(int(self.account(key_id).get(name, 0)) for name in names)
