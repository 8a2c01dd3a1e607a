"""Servers on loopback that answer as told, byte by byte, and see who leaves."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Self

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 11\r\n\r\n" + b'{"ok":true}'
EVENTS = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


def reply(status: int, body: bytes, *headers: str) -> bytes:
    """A whole reply."""
    lines = [f"HTTP/1.1 {status} Reason", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def chunk(data: bytes) -> bytes:
    """One chunk of a chunked reply; an empty one ends it."""
    return b"%x\r\n%s\r\n" % (len(data), data)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@dataclass
class Exchange:
    """A request that has come, and the way to answer it."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    writer: asyncio.StreamWriter

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    def reset(self) -> None:
        """Break the connection off with RST."""
        sock: socket.socket = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        self.writer.transport.abort()


async def until(condition: Callable[[], object]) -> None:
    """Wait for what nothing announces."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


Script = Callable[[Exchange], Awaitable[object]]


async def well(exchange: Exchange) -> None:
    await exchange.send(OK)


async def silent(_: Exchange) -> None:
    await asyncio.Event().wait()


@dataclass
class Backend:
    """Runs `script` for each request; `left` is set once a client has closed a connection that was not answered."""

    script: Script = well
    health: Script = well
    port: int = 0
    exchanges: list[Exchange] = field(default_factory=list[Exchange])
    connections: int = 0
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    left: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        self._tasks: set[asyncio.Task[None]] = set()
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.sleep(0)  # until the transports have closed

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._tasks.add(asyncio.create_task(self._serve(reader, writer)))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                while not writer.is_closing():
                    await self._exchange(await _request(reader, writer), reader)
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    async def _exchange(self, exchange: Exchange, reader: asyncio.StreamReader) -> None:
        if exchange.method == "GET":
            await self.health(exchange)
            return
        self.exchanges.append(exchange)
        self.begun.set()
        answer = asyncio.ensure_future(self.script(exchange))
        gone = asyncio.ensure_future(reader.read(1))
        try:
            await asyncio.wait({answer, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not answer.done():
                self.left.set()
                exchange.writer.close()
        finally:
            for future in (answer, gone):
                future.cancel()
            await asyncio.gather(answer, gone, return_exceptions=True)


async def _request(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Exchange:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    method, path, _ = head[0].split(" ")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in head[1:] if line)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Exchange(method, path, headers, body, writer)


def sending(*parts: bytes, close: bool = False, reset: bool = False) -> Backend:
    """A backend that sends this and then closes, resets, or says no more."""

    async def script(exchange: Exchange) -> None:
        for part in parts:
            await exchange.send(part)
        if reset:
            exchange.reset()
        elif close:
            exchange.writer.close()
        else:
            await asyncio.Event().wait()

    return Backend(script)


def closing_kept() -> Backend:
    """A backend that answers its first request, and closes at every other."""

    async def script(exchange: Exchange) -> None:
        if len(backend.exchanges) == 1:
            await exchange.send(OK)
        else:
            exchange.writer.close()

    backend = Backend(script)
    return backend


def soon(seconds: float = 0.05) -> float:
    """A time on the event loop's clock."""
    return asyncio.get_running_loop().time() + seconds
