"""A process that answers like vLLM 0.32, with real answers: it runs our embedded model. `python -m tests.fakes.vllm`.

Its shapes are checked against the real server by tests/contract. On top of them there is /fault, which makes it
misbehave, and /stats, which counts what it was asked for.
"""

import argparse
import asyncio
import json
import signal
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from itertools import zip_longest
from typing import Any

from aiohttp import web

from .faults import Fault, Misbehaviour
from .rows import Chunk, Model, Order
from .shapes import Reply

VERSION = "0.32.0"
_METRICS = """\
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{{engine="0",model_name="{name}"}} {running}.0
# TYPE vllm:num_requests_waiting gauge
vllm:num_requests_waiting{{engine="0",model_name="{name}"}} 0.0
# TYPE vllm:prompt_tokens_total counter
vllm:prompt_tokens_total{{engine="0",model_name="{name}"}} {prompted}.0
# TYPE vllm:generation_tokens_total counter
vllm:generation_tokens_total{{engine="0",model_name="{name}"}} {generated}.0
# TYPE vllm:prefix_cache_queries_total counter
vllm:prefix_cache_queries_total{{engine="0",model_name="{name}"}} {queries}.0
# TYPE vllm:prefix_cache_hits_total counter
vllm:prefix_cache_hits_total{{engine="0",model_name="{name}"}} {hits}.0
"""


class Bad(Exception):
    """A request that vLLM would answer with 400 or 404."""

    def __init__(self, message: str, param: str | None = None, status: int = 400) -> None:
        super().__init__(message)
        self.param, self.status = param, status


class FakeVLLM:
    """One server. What it leaves out of what vLLM does is said by `quirks`:

    "single" ignores n, "refuses n" answers it with 400, "json" answers every stream with one body, "no ids" and
    "no stop" ignore the fields, "endless" sends no [DONE].
    """

    def __init__(self, name: str = "generator", quirks: frozenset[str] = frozenset(), owner: str = "vllm") -> None:
        self.name, self.quirks, self.owner = name, quirks, owner
        self._misbehaviour = Misbehaviour()
        self.bodies = list[dict[str, Any]]()
        self.url = ""
        self.running = 0
        counted = ("calls", "started", "finished", "aborted", "prompt_tokens", "tokens", "tokenized")
        self.stats = dict.fromkeys(counted, 0)
        self._model = Model()
        self._runner = web.AppRunner(self._app(), handler_cancellation=True, shutdown_timeout=0.1)

    async def start(self, port: int = 0) -> None:
        """Listen on a port of the loopback interface, 0 for any."""
        self._model.engine.start()
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", port)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def aclose(self) -> None:
        """Stop, and break off what is open."""
        await self._runner.cleanup()
        await self._model.engine.aclose()

    def fail(self, kind: str | None, **how: Any) -> None:
        """Misbehave from the next call on: see `Fault`."""
        self._misbehaviour.set(Fault(kind, **how))

    def _app(self) -> web.Application:
        app = web.Application(middlewares=[_errors], client_max_size=2**24)
        app.router.add_get("/health", self._nothing)
        app.router.add_get("/version", self._version)
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get("/stats", self._stats)
        app.router.add_post("/fault", self._fault)
        app.router.add_get("/v1/models", self._models)
        app.router.add_post("/tokenize", self._tokenize)
        app.router.add_post("/v1/completions", self._completions)
        app.router.add_post("/v1/chat/completions", self._chat)
        return app

    async def _nothing(self, _: web.Request) -> web.Response:
        return web.Response()

    async def _version(self, _: web.Request) -> web.Response:
        return web.json_response({"version": VERSION})

    async def _stats(self, _: web.Request) -> web.Response:
        return web.json_response(self.stats | {"running": self.running})

    async def _fault(self, request: web.Request) -> web.Response:
        self.fail(**await request.json())
        return web.json_response({})

    async def _metrics(self, _: web.Request) -> web.Response:
        cache, counts = self._model.cache, self.stats
        text = _METRICS.format(
            name=self.name,
            running=self.running,
            prompted=counts["prompt_tokens"],
            generated=counts["tokens"],
            queries=cache.queries,
            hits=cache.hits,
        )
        return web.Response(text=text)

    async def _models(self, _: web.Request) -> web.Response:
        entry = {"id": self.name, "object": "model", "created": int(time.time()), "owned_by": self.owner}
        entry |= {"root": self.name, "parent": None, "permission": []}
        if self.owner == "vllm":
            entry["max_model_len"] = self._model.context
        return web.json_response({"object": "list", "data": [entry]})

    async def _tokenize(self, request: web.Request) -> web.Response:
        body = await self._body(request)
        self.stats["tokenized"] += 1
        ids = self._rendered(body) if "messages" in body else self._model.tokenizer.encode(body["prompt"])
        answer = {"count": len(ids), "max_model_len": self._model.context, "tokens": ids, "token_strs": None}
        return web.json_response(answer)

    async def _completions(self, request: web.Request) -> web.StreamResponse:
        body = await self._body(request)
        prompt = body.get("prompt")
        if prompt is None:
            raise Bad("Either prompt or prompt_embeds must be provided and non-empty.")
        ids = tuple(prompt) if isinstance(prompt, list) else self._model.tokenizer.encode(prompt)
        return await self._answer(request, body, ids, "text_completion")

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        body = await self._body(request)
        return await self._answer(request, body, self._rendered(body), "chat.completion")

    async def _body(self, request: web.Request) -> dict[str, Any]:
        try:
            body = await request.json()
        except json.JSONDecodeError as error:
            raise Bad(f"JSON decode error: {error}", "body") from error
        if body.get("model") not in (None, self.name):
            raise Bad(f"The model `{body['model']}` does not exist.", "model", 404)
        return body

    def _rendered(self, body: dict[str, Any]) -> tuple[int, ...]:
        unfinished = body.get("continue_final_message", False)
        if unfinished and body.get("add_generation_prompt", True):
            raise Bad("Cannot set both `continue_final_message` and `add_generation_prompt` to True.")
        return self._model.rendered(body["messages"], unfinished=unfinished)

    async def _answer(
        self, request: web.Request, body: dict[str, Any], ids: tuple[int, ...], kind: str
    ) -> web.StreamResponse:
        order = self._order(body, ids)
        self.bodies.append(body)
        self.stats["calls"] += 1
        misbehaviour = self._misbehaviour.next()
        if refusal := await misbehaviour.before(request):
            return refusal
        self.stats["prompt_tokens"] += len(ids)
        async with self._counted(order.n) as count:
            rows = await self._model.rows(ids, order)
            reply = Reply(self.name, kind, body, ids, self.quirks)
            if not body.get("stream") or "json" in self.quirks:
                for chunk in [chunk for row in rows for chunk in row]:
                    await misbehaviour.pause()
                    count(chunk)
                return await misbehaviour.whole(request, reply.whole(rows))
            response = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8"})
            await response.prepare(request)
            every = 1 if "no ids" in self.quirks else body.get("stream_interval") or 1  # a server too old for both
            for place, chunks in _interleaved(rows, every):
                await misbehaviour.between(request, response)
                for chunk in chunks:
                    count(chunk)
                await response.write(reply.event(place, chunks))
            for event in reply.end(rows):
                await response.write(event)
            await response.write_eof()
            return response

    @asynccontextmanager
    async def _counted(self, n: int) -> AsyncGenerator[Any]:
        """Keep the books of one call: what has not finished when it ends was aborted."""
        left = n
        self.running += n
        self.stats["started"] += n

        def count(chunk: Chunk) -> None:
            nonlocal left
            self.stats["tokens"] += 1
            if chunk.finish:
                left -= 1
                self.running -= 1
                self.stats["finished"] += 1

        try:
            yield count
        finally:
            self.running -= left
            self.stats["aborted"] += left

    def _order(self, body: dict[str, Any], ids: tuple[int, ...]) -> Order:
        n, temperature, context = body.get("n") or 1, body.get("temperature", 1.0), self._model.context
        most = body.get("max_tokens") or max(1, min(16, context - len(ids)))
        for name in ("presence_penalty", "frequency_penalty", "temperature", "top_p"):
            if not isinstance(body.get(name, 0), int | float):
                raise Bad(f"1 validation error: {name}: Input should be a valid number", name)
        if "refuses n" in self.quirks and n > 1:
            raise Bad("'n' must be 1: only one choice is supported")
        if not 0 <= temperature <= 2:
            raise Bad(f"temperature must be in [0, 2], got {temperature}.", "temperature")
        if temperature == 0 and n > 1:
            raise Bad(f"n must be 1 when using greedy sampling, got {n}.")
        if len(ids) + most > context:
            raise Bad(
                f"This model's maximum context length is {context} tokens. However, you requested {most} output tokens "
                f"and your prompt contains at least {len(ids)} input tokens.",
                "input_tokens",
            )
        stops = body.get("stop") or ()
        return Order(
            n=1 if "single" in self.quirks else n,
            seed=body.get("seed") or 0,
            temperature=temperature,
            top_p=body.get("top_p", 1.0),
            max_tokens=most,
            stops=() if "no stop" in self.quirks else (stops,) if isinstance(stops, str) else tuple(stops),
            keep_stop=body.get("include_stop_str_in_output", False),
        )


def _interleaved(rows: list[list[Chunk]], every: int) -> list[tuple[int, list[Chunk]]]:
    """Return what each event has: the first token alone, then `every` tokens, and what is left at the end."""
    events = [[row[:1], *(row[i : i + every] for i in range(1, len(row), every))] for row in rows]
    return [(j, chunks) for step in zip_longest(*events) for j, chunks in enumerate(step) if chunks]


@web.middleware
async def _errors(request: web.Request, handler: Any) -> web.StreamResponse:
    """Answer what is wrong with a request as vLLM does."""
    try:
        return await handler(request)
    except Bad as bad:
        kind = "NotFoundError" if bad.status == 404 else "BadRequestError"
        error = {"message": str(bad), "type": kind, "param": bad.param, "code": bad.status}
        return web.json_response({"error": error}, status=bad.status)


@asynccontextmanager
async def serving(**options: Any) -> AsyncIterator[FakeVLLM]:
    """Run a fake in this process."""
    fake = FakeVLLM(**options)
    await fake.start()
    try:
        yield fake
    finally:
        await fake.aclose()


async def _main(port: int, name: str) -> None:
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    fake = FakeVLLM(name)
    await fake.start(port)
    print(fake.url, flush=True)  # noqa: T201 - whoever started it waits for this
    await ended.wait()
    await fake.aclose()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--served-model-name", default="generator")
    arguments = parser.parse_args()
    asyncio.run(_main(arguments.port, arguments.served_model_name))
