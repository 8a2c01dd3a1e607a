"""Clients that keep their connections, as cheap as they can be: the machine is the servers'."""

import asyncio
from dataclasses import dataclass

import orjson


@dataclass(frozen=True, slots=True)
class Target:
    """A server at `port`, the `model` it is asked for, and whether as a stream; `key` is the client's."""

    port: int
    model: str
    stream: bool
    key: str | None = None


async def load(target: Target, requests: int, concurrency: int, first: int = 0) -> None:
    """Send so many requests, each with a question of its own. Raises RuntimeError for one that failed."""
    numbers = iter(range(first, first + requests))

    async def client() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", target.port)
        try:
            for number in numbers:
                writer.write(_request(target, number))
                await _reply(reader)
        finally:
            writer.close()
            await writer.wait_closed()

    async with asyncio.TaskGroup() as group:
        for _ in range(min(concurrency, requests)):
            group.create_task(client())


def _request(target: Target, number: int) -> bytes:
    question = f"Question {number}: a train leaves at {number % 24}:00 and travels for {number} km. " * 3
    messages = [{"role": "system", "content": "Answer briefly."}, {"role": "user", "content": question}]
    body = orjson.dumps({"model": target.model, "messages": messages, "temperature": 0.7, "stream": target.stream})
    key = f"Authorization: Bearer {target.key}\r\n" if target.key else ""
    head = (
        "POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"X-Compute-Budget: minimal\r\n{key}Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def _reply(reader: asyncio.StreamReader) -> None:
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    if b" 200 " not in head.split(b"\r\n", 1)[0]:
        raise RuntimeError(f"refused: {head.decode()} {(await reader.read(1000)).decode()}")
    if b"transfer-encoding: chunked" not in head:
        length = int(head.split(b"content-length: ", 1)[1].split(b"\r\n", 1)[0])
        body = await reader.readexactly(length)
        if b"word" not in body:
            raise RuntimeError(f"no answer: {body.decode()}")
        return
    tail = b""
    while not tail.endswith(b"\r\n0\r\n\r\n"):
        if not (chunk := await reader.read(65536)):
            raise RuntimeError("the stream broke off")
        tail = (tail + chunk)[-64:]
    if b"data: [DONE]" not in tail:
        raise RuntimeError(f"the stream ended without its end: {tail.decode()}")
