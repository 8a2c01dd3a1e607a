"""Clients that send too much, too slowly or not at all, and those that do not read: with real sockets."""

import asyncio
import json
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from starlette.datastructures import Headers

from server.web import body
from server.web.edge import Edge
from server.web.process import Server, config_of
from server.web.readiness import Readiness

LIMIT = 2048
SOON = 0.3
"""The patience of these servers, in seconds."""

PATIENCE = 5.0
"""How long the test waits for what should come soon."""

LARGE = 32 * 2**20
"""More than the buffers between two sockets take."""


@dataclass
class Seen:
    """What the application has seen, and a reply that it waits with."""

    bodies: list[int] = field(default_factory=list[int])
    waits: asyncio.Event = field(default_factory=asyncio.Event)
    go: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass
class Client:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def end(self) -> bytes:
        """Return what comes until the server closes."""
        async with asyncio.timeout(PATIENCE):
            return await self.reader.read()

    async def reply(self) -> tuple[int, bytes]:
        """Return the status and the body of the next reply."""
        async with asyncio.timeout(PATIENCE):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode().lower()
            length = int(head.split("content-length: ")[1].split("\r\n")[0])
            return int(head.split()[1]), await self.reader.readexactly(length)


Serve = Callable[[], Awaitable[Client]]


def application(seen: Seen) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return
        if scope["path"] == "/read":
            seen.bodies.append(len(await body.read(Headers(scope=scope), receive, 2**20, SOON)))
        if scope["path"] == "/wait":
            seen.waits.set()
            await seen.go.wait()
        content = b"x" * (LARGE if scope["path"] == "/large" else 2)
        length = str(len(content)).encode()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", length)]})
        half = len(content) // 2
        if scope["path"] == "/halves":
            content = b"x" * LARGE
        try:
            await send({"type": "http.response.body", "body": content[:half], "more_body": True})
            await send({"type": "http.response.body", "body": content[half:]})
        finally:
            seen.ended.set()

    return Edge(app)


@pytest.fixture
def seen() -> Seen:
    return Seen()


@asynccontextmanager
async def serving(seen: Seen, seconds: float) -> AsyncGenerator[Server]:
    config = config_of(
        application(seen), "127.0.0.1", 0, "critical", longest=1.0, header_bytes=LIMIT, client_seconds=seconds
    )
    listening = asyncio.Event()
    server = Server(config, Readiness(), 0.0, lambda url: listening.set())
    running = asyncio.create_task(server._serve())  # pyright: ignore[reportPrivateUsage]  # without its signals
    await listening.wait()
    try:
        yield server
    finally:
        server.should_exit = True
        async with asyncio.timeout(PATIENCE):
            await running
        assert not server.server_state.connections


@asynccontextmanager
async def connected(server: Server, **options: Any) -> AsyncGenerator[Client]:
    host, port = server.servers[0].sockets[0].getsockname()
    reader, writer = await asyncio.open_connection(host, port, **options)
    try:
        yield Client(reader, writer)
    finally:
        writer.close()


@pytest.fixture
async def server(seen: Seen) -> AsyncGenerator[Server]:
    """A server whose patience does not end in these tests."""
    async with serving(seen, 60.0) as running:
        yield running


@pytest.fixture
async def hasty(seen: Seen) -> AsyncGenerator[Server]:
    async with serving(seen, SOON) as running:
        yield running


def error_of(reply: bytes) -> tuple[int, dict[str, Any]]:
    head, _, content = reply.partition(b"\r\n\r\n")
    assert b"connection: close" in head
    return int(head.split()[1]), json.loads(content)["error"]


GET = b"GET / HTTP/1.1\r\nhost: a\r\n"


async def test_a_head_of_just_the_limit_passes_and_one_byte_more_is_refused(server: Server) -> None:
    room = LIMIT - len(b"/") - len(b"hosta") - 4 - len(b"long") - 4
    async with connected(server) as client:
        await client.send(GET + b"long: " + b"x" * room + b"\r\n\r\n")
        assert await client.reply() == (200, b"xx")
        await client.send(GET + b"long: " + b"x" * (room + 1) + b"\r\n\r\n")
        status, error = error_of(await client.end())
        assert (status, error["code"], error["type"]) == (431, "headers_too_large", "invalid_request_error")
        assert str(LIMIT) in error["message"]


async def test_a_long_head_with_a_body_behind_it_is_refused_once(server: Server) -> None:
    async with connected(server) as client:
        await client.send(b"POST / HTTP/1.1\r\ncontent-length: 4\r\nlong: " + b"x" * LIMIT + b"\r\n\r\nbody")
        reply = await client.end()
        assert error_of(reply)[0] == 431
        assert reply.count(b"HTTP/1.1") == 1


@pytest.mark.parametrize(
    "start",
    [
        GET + b"endless: ",
        GET,
        b"GET /",
        b"",
        b"POST /nowhere HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n0\r\ntrailer: ",
    ],
    ids=["value", "name", "url", "empty lines", "trailers"],
)
async def test_what_never_ends_is_refused_long_before_it_fills_the_memory(server: Server, start: bytes) -> None:
    async with connected(server) as client:
        await client.send(start)
        if b"trailer" in start:
            assert (await client.reply())[0] == 200
        piece = b"\r\n" * 100 if not start else b"x" * 200
        ending = asyncio.create_task(client.end())
        while not ending.done():
            await client.send(piece)
            await asyncio.sleep(0)
        assert error_of(await ending)[0] == 431


async def test_what_is_not_http_is_refused_in_our_shape(server: Server) -> None:
    async with connected(server) as client:
        await client.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 tls\r\n\r\n")
        status, error = error_of(await client.end())
        assert (status, error["code"]) == (400, "invalid_http")


async def test_who_connects_and_sends_nothing_is_left_without_a_word(hasty: Server) -> None:
    async with connected(hasty) as client:
        assert await client.end() == b""


@pytest.mark.parametrize("start", [b"G", GET, b"\r\n"])
async def test_a_head_that_does_not_come_to_its_end_in_time_gets_408(hasty: Server, start: bytes) -> None:
    async with connected(hasty) as client:
        await client.send(start)
        status, error = error_of(await client.end())
        assert (status, error["code"]) == (408, "request_timeout")


async def test_a_head_in_drops_is_not_waited_for_longer(hasty: Server) -> None:
    loop = asyncio.get_running_loop()
    async with connected(hasty) as client:
        begun = loop.time()

        async def drip() -> None:
            while True:
                await client.send(b"x")
                await asyncio.sleep(SOON / 10)

        await client.send(GET)
        dripping = asyncio.create_task(drip())
        assert error_of(await client.end())[0] == 408
        assert loop.time() - begun < PATIENCE
        dripping.cancel()
        await asyncio.gather(dripping, return_exceptions=True)


async def test_the_second_head_of_a_connection_is_timed_from_its_first_byte(hasty: Server) -> None:
    async with connected(hasty) as client:
        await client.send(GET + b"\r\n")
        assert await client.reply() == (200, b"xx")
        await asyncio.sleep(2 * SOON)  # idle: the server keeps the connection open
        await client.send(GET)
        assert error_of(await client.end())[0] == 408


async def test_a_slow_head_behind_a_request_that_runs_does_not_cost_its_reply(hasty: Server, seen: Seen) -> None:
    async with connected(hasty) as client:
        await client.send(b"GET /wait HTTP/1.1\r\n\r\n")
        await client.send(b"GET /")
        await asyncio.sleep(2 * SOON)
        seen.go.set()
        assert await client.reply() == (200, b"xx")
        assert error_of(await client.end())[0] == 408


async def test_too_long_a_head_behind_a_request_that_runs_ends_the_connection(server: Server, seen: Seen) -> None:
    async with connected(server) as client:
        await client.send(b"GET /wait HTTP/1.1\r\n\r\n")
        await seen.waits.wait()
        await client.send(b"GET /" + b"x" * 2 * LIMIT)
        assert await client.end() == b""
    seen.go.set()


async def test_a_body_may_take_longer_than_a_head_when_it_is_read(hasty: Server, seen: Seen) -> None:
    async with connected(hasty) as client:
        await client.send(b"POST /read HTTP/1.1\r\ncontent-length: 5\r\n\r\nab")
        await asyncio.sleep(SOON / 2)
        await client.send(b"cde")
        assert await client.reply() == (200, b"xx")
        assert seen.bodies == [5]


async def test_a_body_that_does_not_come_gets_408(hasty: Server) -> None:
    async with connected(hasty) as client:
        await client.send(b"POST /read HTTP/1.1\r\ncontent-length: 5\r\n\r\nab")
        status, error = error_of(await client.end())
        assert (status, error["code"]) == (408, "request_timeout")


async def test_a_body_that_nobody_reads_is_not_waited_for(hasty: Server) -> None:
    async with connected(hasty) as client:
        await client.send(b"POST / HTTP/1.1\r\ncontent-length: 5\r\n\r\nab")
        assert await client.reply() == (200, b"xx")
        assert await client.end() == b""


async def test_a_large_body_passes(server: Server, seen: Seen) -> None:
    async with connected(server) as client:
        await client.send(b"POST /read HTTP/1.1\r\ncontent-length: 1000000\r\n\r\n" + b"x" * 1_000_000)
        assert await client.reply() == (200, b"xx")
        assert seen.bodies == [1_000_000]


@pytest.mark.parametrize("path", [b"/large", b"/halves"])
async def test_a_client_that_does_not_read_its_reply_is_left(hasty: Server, seen: Seen, path: bytes) -> None:
    small = socket.socket()
    small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    host, port = hasty.servers[0].sockets[0].getsockname()
    small.connect((host, port))
    small.sendall(b"GET " + path + b" HTTP/1.1\r\n\r\n")
    async with asyncio.timeout(PATIENCE):
        await seen.ended.wait()
        while hasty.server_state.connections:  # noqa: ASYNC110 - it is the server that will have it so
            await asyncio.sleep(0.01)
    small.close()


async def test_a_client_that_reads_slowly_gets_all_of_it(hasty: Server) -> None:
    async with connected(hasty, limit=2**16) as client:
        await client.send(b"GET /large HTTP/1.1\r\n\r\n")
        await client.reader.readuntil(b"\r\n\r\n")
        left = LARGE
        while left:
            left -= len(await client.reader.read(2**22))
            await asyncio.sleep(SOON / 20)
        assert left == 0
