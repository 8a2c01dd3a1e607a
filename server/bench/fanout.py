"""What one candidate costs the gateway, by client, by streaming, and by how many samples share a call.

    python -m server.bench.fanout
    python -m server.bench.fanout --json fanout.json --rounds 7

A mock in a process of its own answers at once, with real shapes of vLLM. Counted is the processor time of this
process alone, per candidate; the ways take turns within a round, and each is given as a ratio to a bare loop of
aiohttp in the same run, for one call that is streamed as often.
"""

import asyncio
import json
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import aiohttp
import httpx
import orjson
import typer
from rich.console import Console
from rich.table import Table

from router.ports import Draw, Tally
from router.types import ROOT, Message, Problem
from server.generators import VLLM, GeneratorOptions, PoolGenerator
from server.generators.dialects.vllm import INTERVAL
from server.generators.sse import DONE, Events
from server.upstream import Pool, PoolOptions

Way = Callable[[int], Awaitable[None]]
"""Fetches so many candidates."""

_PROBLEM = Problem((Message("user", "What is 3 + 4?"),))
_N = re.compile(rb'"n": ?(\d+)')
_EVERY = re.compile(rb'"stream_interval": ?(\d+)')
_LENGTH = re.compile(rb"(?i)content-length: (\d+)")
_HEAD = "HTTP/1.1 200 OK\r\ncontent-type: %s\r\ncontent-length: %d\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Figure:
    """One way, in microseconds of processor time per candidate: the median of all rounds, and the least.

    A streamed reply has an event for `every` so many tokens; 0 is one that is not streamed.
    """

    way: str
    every: int
    microseconds: float
    least: float
    ratio: float


class _Mock(asyncio.Protocol):
    """The least that answers POSTs; replies are prepared once for each kind of request."""

    def __init__(self, tokens: int, replies: dict[tuple[int, int, bool], bytes]) -> None:
        self._tokens, self._replies, self._buffer = tokens, replies, b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - what a server's protocol gets
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer each whole request."""
        self._buffer += data
        while b"\r\n\r\n" in self._buffer:
            head, rest = self._buffer.split(b"\r\n\r\n", 1)
            said = _LENGTH.search(head)
            length = int(said[1]) if said else 0
            if len(rest) < length:
                return
            body, self._buffer = rest[:length], rest[length:]
            every = _number(_EVERY, body) if b'"stream":true' in body else 0
            key = (_number(_N, body), every, b"/tokenize" in head)
            self._transport.write(self._replies.setdefault(key, b"") or self._prepared(key))

    def _prepared(self, key: tuple[int, int, bool]) -> bytes:
        n, every, tokenize = key
        if tokenize:
            body, kind = orjson.dumps({"count": 4, "max_model_len": 4096, "tokens": [1, 2, 3, 4]}), "application/json"
        elif every:
            sizes = [1, *(min(every, self._tokens - t) for t in range(1, self._tokens, every))]
            chunks = [_chunk(j, size, i == len(sizes) - 1) for i, size in enumerate(sizes) for j in range(n)]
            body, kind = b"".join(chunks) + b"data: [DONE]\n\n", "text/event-stream"
        else:
            choices = [_choice(j, "word" * self._tokens, list(range(self._tokens)), "stop") for j in range(n)]
            body, kind = (
                orjson.dumps({"id": "cmpl-1", "object": "text_completion", "choices": choices}),
                "application/json",
            )
        self._replies[key] = (_HEAD % (kind, len(body))).encode() + body
        return self._replies[key]


def _choice(place: int, text: str, ids: list[int], finish: str | None) -> dict[str, Any]:
    return {
        "index": place,
        "text": text,
        "logprobs": None,
        "finish_reason": finish,
        "stop_reason": None,
        "token_ids": ids,
    }


def _number(pattern: re.Pattern[bytes], body: bytes) -> int:
    found = pattern.search(body)
    return int(found[1]) if found else 1


def _chunk(place: int, tokens: int, last: bool) -> bytes:
    head = {"id": "cmpl-0123456789abcdef", "object": "text_completion", "created": 1_700_000_000, "model": "m"}
    choice = _choice(place, "word" * tokens, [1234] * tokens, "stop" if last else None)
    return b"data: " + orjson.dumps({**head, "choices": [choice]}) + b"\n\n"


def _serve(tokens: int, told: Connection) -> None:
    async def main() -> None:
        replies = dict[tuple[int, int, bool], bytes]()
        server = await asyncio.get_running_loop().create_server(lambda: _Mock(tokens, replies), "127.0.0.1", 0)
        told.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(main())


def _body(n: int, every: int) -> bytes:
    body: dict[str, Any] = {"model": "m", "prompt": [1, 2, 3, 4], "n": n, "return_token_ids": True}
    return orjson.dumps(body | ({"stream": True, "stream_interval": every} if every else {}))


async def _aiohttp(session: aiohttp.ClientSession, url: str, n: int, *, every: int) -> None:
    async with session.post(f"{url}/v1/completions", data=_body(n, every)) as reply:
        if not every:
            orjson.loads(await reply.read())
            return
        events = Events()
        async for chunk in reply.content.iter_any():
            for data in events.feed(chunk):
                if data != DONE:
                    orjson.loads(data)


async def _httpx(client: httpx.AsyncClient, url: str, n: int, *, every: int) -> None:
    if not every:
        orjson.loads((await client.post(f"{url}/v1/completions", content=_body(n, 0))).content)
        return
    async with client.stream("POST", f"{url}/v1/completions", content=_body(n, every)) as reply:
        events = Events()
        async for chunk in reply.aiter_bytes():
            for data in events.feed(chunk):
                if data != DONE:
                    orjson.loads(data)


async def _ours(generator: PoolGenerator, n: int) -> None:
    draw = Draw(_PROBLEM, ROOT, n, seed=0, max_tokens=1000, whole=True, temperature=0.8)
    samples = [sample async for _, sample in generator.sample(draw, Tally())]
    if len(samples) != n:
        raise RuntimeError(f"{len(samples)} of {n} samples came")


async def _each(one: Way, n: int) -> None:
    await asyncio.gather(*(one(1) for _ in range(n)))


async def _measured(way: Way, n: int, seconds: float) -> float:
    """Return microseconds of processor time per candidate."""
    started, begun, candidates = time.perf_counter(), time.process_time(), 0
    while candidates == 0 or time.perf_counter() - started < seconds:
        await way(n)
        candidates += n
    return (time.process_time() - begun) / candidates * 1e6


async def measure(url: str, n: int, rounds: int, seconds: float) -> list[Figure]:
    """Measure all ways, in turns."""
    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session,
        httpx.AsyncClient(limits=httpx.Limits(max_connections=None), trust_env=False) as client,
    ):
        bare, slow = partial(_aiohttp, session, url), partial(_httpx, client, url)
        sizes = sorted({1, 8, 16, 32, n})
        generators = {size: await _generator(url, size) for size in sizes}
        ways: dict[tuple[str, int], Way] = {}
        for every in (0, 1, INTERVAL):
            ways |= {(f"aiohttp, one call of {n}", every): partial(bare, every=every)}
            ways |= {(f"httpx, one call of {n}", every): partial(slow, every=every)}
            ways |= {(f"aiohttp, {n} calls", every): partial(_each, partial(bare, every=every))}
            ways |= {(f"httpx, {n} calls", every): partial(_each, partial(slow, every=every))}
        ways |= {(f"ours, calls of {size}", INTERVAL): partial(_ours, generators[size]) for size in sizes}
        try:
            return await _in_turns(ways, n, rounds, seconds)
        finally:
            for generator in generators.values():
                await generator.aclose()


async def _generator(url: str, size: int) -> PoolGenerator:
    pool = Pool("bench", [url], options=PoolOptions(health_seconds=0, slots=100_000))
    generator = PoolGenerator(pool, VLLM("m", samples_per_call=size), "bench", GeneratorOptions())
    await generator.start()
    return generator


async def _in_turns(ways: dict[tuple[str, int], Way], n: int, rounds: int, seconds: float) -> list[Figure]:
    taken = {name: list[float]() for name in ways}
    for way in ways.values():
        await way(n)  # connect
    for _ in range(rounds):
        for name, way in ways.items():
            taken[name].append(await _measured(way, n, seconds))
    bases = {every: median(taken[f"aiohttp, one call of {n}", every]) for _, every in ways}
    return [
        Figure(name, every, round(median(values), 1), round(min(values), 1), round(median(values) / bases[every], 2))
        for (name, every), values in taken.items()
    ]


def main(
    n: Annotated[int, typer.Option(help="Candidates of one draw.")] = 64,
    tokens: Annotated[int, typer.Option(help="Tokens of a candidate.")] = 100,
    rounds: int = 5,
    seconds: Annotated[float, typer.Option(help="Of each way in each round.")] = 0.3,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures here, too.")] = None,
) -> None:
    """Measure, and print the table."""
    mine, theirs = get_context("spawn").Pipe()
    mock = get_context("spawn").Process(target=_serve, args=(tokens, theirs), daemon=True)
    mock.start()
    try:
        figures = asyncio.run(measure(f"http://127.0.0.1:{mine.recv()}", n, rounds, seconds))
    finally:
        mock.terminate()
        mock.join()
    table = Table(
        "way", "tokens an event", "us per candidate", "least", "ratio", title=f"{n} candidates of {tokens} tokens"
    )
    for f in figures:
        table.add_row(f.way, str(f.every or "all"), f"{f.microseconds:.1f}", f"{f.least:.1f}", f"{f.ratio:.2f}")
    Console().print(table)
    if json_file:
        document = {"n": n, "tokens": tokens, "rounds": rounds, "figures": [asdict(figure) for figure in figures]}
        json_file.write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    typer.run(main)
