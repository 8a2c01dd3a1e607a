"""A client that leaves, over a real socket: the generator's iterator must be closed at once."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from router.ports import Draw, Tally
from router.testing import FakeGenerator
from router.types import Finish, Sample
from server.gateway import create_app, streaming
from server.report import Outcome

from .serving import LIMITS, Watch, deps, question, script, serving


@dataclass
class Endless(FakeGenerator):
    """Delivers one sample and then hangs until it is closed."""

    hanging: asyncio.Event = field(default_factory=asyncio.Event)
    closed: asyncio.Event = field(default_factory=asyncio.Event)

    async def sample(
        self, draw: Draw, tally: Tally, on_text: Callable[[str], None] | None = None
    ) -> AsyncIterator[tuple[int, Sample]]:
        try:
            yield 0, Sample("The answer is \\boxed{42}.", 4, Finish.EOS)
            self.hanging.set()
            await asyncio.Event().wait()
        finally:
            self.closed.set()


@dataclass
class Reported(Watch):
    """Tells when the first report has come."""

    heard: asyncio.Event = field(default_factory=asyncio.Event)

    def ended(self, report: object) -> None:
        super().ended(report)  # pyright: ignore[reportArgumentType]
        self.heard.set()


def request(stream: bool) -> bytes:
    body = json.dumps(question(stream=stream)).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


@pytest.mark.parametrize("stream", [False, True])
async def test_a_client_that_leaves_stops_the_work(stream: bool) -> None:
    generator, watch = Endless(script), Reported()
    async with serving(create_app(deps(generator, watch=watch))) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request(stream))
        await asyncio.wait_for(generator.hanging.wait(), 5)
        loop = asyncio.get_running_loop()
        left = loop.time()
        writer.transport.abort()
        await asyncio.wait_for(generator.closed.wait(), 5)
        await asyncio.wait_for(watch.heard.wait(), 5)
        assert loop.time() - left < 0.25
    assert [report.outcome for report in watch.reports] == [Outcome.CANCELLED]


async def test_a_client_that_leaves_while_it_sends_is_no_fault() -> None:
    watch = Reported()
    async with serving(create_app(deps(watch=watch))) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request(stream=False)[:-5])
        await writer.drain()
        writer.close()
        await asyncio.wait_for(watch.heard.wait(), 5)
    assert [report.outcome for report in watch.reports] == [Outcome.CANCELLED]


async def test_a_client_that_stops_sending_is_not_waited_for() -> None:
    watch = Reported()
    async with serving(create_app(deps(watch=watch, limits=replace(LIMITS, client_seconds=0.02)))) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request(stream=False)[:-5])
        reply = await asyncio.wait_for(reader.read(), 5)  # to its end: the connection is closed
        writer.close()
    assert reply.startswith(b"HTTP/1.1 408 ")
    assert b'"code":"request_timeout"' in reply
    assert [report.outcome for report in watch.reports] == [Outcome.INVALID]


async def test_a_client_that_does_not_read_counts_as_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "PATIENCE", 0.02)
    generator, watch = FakeGenerator(script), Watch()
    app = create_app(deps(generator, watch=watch))
    body = json.dumps(question(stream=True)).encode()
    received: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    received.put_nowait({"type": "http.request", "body": body})

    async def send(message: Any) -> None:
        if message["type"] == "http.response.body":
            await asyncio.Event().wait()

    scope = {"type": "http", "method": "POST", "path": "/v1/chat/completions", "headers": [], "query_string": b""}
    await app(scope, received.get, send)
    assert watch.reports[0].outcome is Outcome.CANCELLED
    assert generator.active == 0
