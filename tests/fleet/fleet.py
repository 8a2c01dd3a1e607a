"""Two gateways that share one Redis and one pool, the proxies in front of them, and a client."""

import asyncio
import json
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families

from tests.chaos.processes import Process, free_port, until
from tests.server.keys.redis_server import RedisServer

DRAIN_SECONDS = 2.5
"""More than twice as long as the proxy takes between two looks at /ready."""


class Gateway(Process):
    """A gateway, that can be asked to stop, and for its exit status."""

    def terminate(self) -> None:
        """Ask it to stop."""
        self._send(signal.SIGTERM)

    async def stopped(self) -> int:
        """Wait until it has stopped; return its exit status."""
        assert self._running
        return await asyncio.to_thread(self._running.wait, 30)


@dataclass(slots=True)
class Proxy:
    """A proxy on `port`. The file beside this one is its configuration, with places for what differs."""

    name: str
    command: tuple[str, ...]
    folder: Path
    port: int = field(default_factory=free_port)
    _running: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def start(self, gateways: tuple[Gateway, Gateway]) -> None:
        """Start it in front of the gateways, and wait until it answers through one. Raises TimeoutError."""
        source = Path(__file__).with_name(self.command[-1])
        places = {"PORT": self.port, "ONE": gateways[0].port, "OTHER": gateways[1].port, "FOLDER": self.folder}
        text = source.read_text()
        for place, value in places.items():
            text = text.replace(f"@{place}@", str(value))
        (self.folder / source.name).write_text(text)
        with (self.folder / f"{self.name}.log").open("wb") as log:
            command = (*self.command[:-1], str(self.folder / source.name))
            self._running = subprocess.Popen(command, stdout=log, stderr=log)
        latest = time.monotonic() + 20
        while not self._answers():
            assert self._running.poll() is None, (self.folder / f"{self.name}.log").read_text()
            if time.monotonic() > latest:
                raise TimeoutError(self.name)
            time.sleep(0.02)

    def _answers(self) -> bool:
        try:
            return httpx.get(self.url + "/ready", timeout=2.0, trust_env=False).status_code == 200
        except httpx.HTTPError:
            return False

    def told(self) -> list[str]:
        """Return what it has written so far, line by line."""
        return (self.folder / f"{self.name}.log").read_text().splitlines()

    def stop(self) -> None:
        """Stop it."""
        if self._running:
            self._running.terminate()
            self._running.wait(timeout=10)


@dataclass(slots=True)
class Reply:
    """What came of one request; `broken` says how it broke off, if it did."""

    request_id: str
    status: int = 0
    served_by: str = ""
    compute: dict[str, Any] = field(default_factory=dict[str, Any])
    text: str = ""
    error: dict[str, Any] | None = None
    headers: httpx.Headers = field(default_factory=httpx.Headers)
    broken: str = ""

    @property
    def whole(self) -> bool:
        """Whether it is a complete answer."""
        return self.status == 200 and not self.broken and not self.error and bool(self.compute)


@dataclass(slots=True)
class Client:
    """Asks through one proxy with one key."""

    http: httpx.AsyncClient
    token: str
    key_id: str

    async def ask(self, number: int = 0, *, samples: int = 4, stream: bool = False, attempt: int = 0) -> Reply:
        """Put one question. What breaks off is told in the reply, not raised."""
        reply = Reply(f"fleet-{number}-{attempt}")
        body = {
            "messages": [{"role": "user", "content": f"What is {20 + number} * {number + 3}?"}],
            "seed": 5,
            "max_tokens": 60,
            "stream": stream,
        }
        headers = {
            "authorization": f"Bearer {self.token}",
            "x-request-id": reply.request_id,
            "x-compute-budget": f"samples={samples}, strategy=majority_voting",
        }
        try:
            async with self.http.stream("POST", "/v1/chat/completions", json=body, headers=headers) as coming:
                reply.status, reply.headers = coming.status_code, coming.headers
                reply.served_by = coming.headers.get("x-served-by", "").split(", ")[-1]
                await _read(coming, reply)
        except httpx.HTTPError as failure:
            reply.broken = repr(failure)
        if not reply.broken:
            assert reply.headers.get("x-request-id", reply.request_id) == reply.request_id, "somebody else's answer"
        return reply

    async def insist(self, number: int, *, stream: bool = False, attempts: int = 3) -> tuple[Reply, int]:
        """Ask as OpenAI's client does: again, where nothing came or the server failed. Return the tries, too."""
        failed = list[Reply]()
        for attempt in range(attempts):
            reply = await self.ask(number, stream=stream, attempt=attempt)
            if reply.whole:
                return reply, attempt + 1
            failed.append(reply)
        raise AssertionError(f"all tries failed: {failed}")


async def _read(coming: httpx.Response, reply: Reply) -> None:
    text = (await coming.aread()).decode()
    if not coming.headers.get("content-type", "").startswith("text/event-stream"):
        read = json.loads(text) if coming.headers.get("content-type", "").startswith("application/json") else {}
        reply.compute, reply.error = read.get("compute", {}), read.get("error")
        reply.text = read["choices"][0]["message"]["content"] if "choices" in read else ""
        return
    events = [line.removeprefix("data: ") for line in text.splitlines() if line.startswith("data: ")]
    for event in (json.loads(e) for e in events if e != "[DONE]"):
        reply.error, reply.compute = event.get("error", reply.error), event.get("compute", reply.compute)
        reply.text += "".join(c["delta"].get("content") or "" for c in event.get("choices", ()))
    if not reply.error and (not events or events[-1] != "[DONE]"):
        reply.broken = "the stream ended before its end"


@dataclass(slots=True)
class Fleet:
    """Everything that runs."""

    gateways: tuple[Gateway, Gateway]
    pool: Process
    redis: RedisServer
    keys: dict[str, tuple[str, str]]
    """Token and id by name."""

    async def slow(self, seconds: float | None) -> None:
        """Let the pool take so long for each event of a reply, or as little as it can."""
        how = {"kind": "slow", "seconds": seconds} if seconds else {"kind": None}
        async with httpx.AsyncClient(trust_env=False) as http:
            (await http.post(f"{self.pool.url}/fault", json=how)).raise_for_status()

    async def in_flight(self, gateway: Gateway) -> int:
        """Return how many requests a gateway is serving, by its metrics."""
        headers = {"authorization": f"Bearer {self.keys['watcher'][0]}"}
        async with httpx.AsyncClient(trust_env=False) as http:
            text = (await http.get(f"{gateway.url}/metrics", headers=headers)).text
        found = Counter[str]()
        for sample in (sample for family in text_string_to_metric_families(text) for sample in family.samples):
            found[sample.name] += int(sample.value)
        return found["cogitate_requests_in_flight"]

    def charged(self, key_id: str) -> int:
        """Return the compute that is charged to a key today."""
        return self.redis.used(key_id)[1]

    def open_grants(self, key_id: str) -> list[int]:
        """Return what reservations that were never settled hold."""
        marks = [value for name, value in self.redis.account(key_id).items() if name.startswith("r:")]
        return [int(mark.rpartition(":")[2]) for mark in marks if mark != "void"]

    def settled(self, key_id: str) -> Callable[[], Awaitable[bool]]:
        """Return whether nothing is set aside for a key any more, to be asked until it is so."""

        async def nothing_open() -> bool:
            return not self.open_grants(key_id)

        return nothing_open

    def forget(self) -> None:
        """Begin a new day for all keys. At the very end of one, wait for the next: a window must not pass in a test."""
        left = 86_400 - time.time() % 86_400
        if left < 90:
            time.sleep(left + 0.1)
        self.redis.client.flushall()  # pyright: ignore[reportUnknownMemberType]

    async def heal(self) -> None:
        """Let both gateways run and be ready, and the pool be quick."""
        for gateway in self.gateways:
            gateway.start()
        for gateway in self.gateways:
            await until(lambda g=gateway: asyncio.to_thread(g.answers), 60)
        await self.slow(None)
