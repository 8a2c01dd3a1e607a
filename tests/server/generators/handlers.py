"""Servers that are honest about little, each as a few lines."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import orjson
from aiohttp import web

from server.generators import PoolGenerator

DONE = b"data: [DONE]\n\n"
Body = dict[str, Any]
Handler = Callable[[web.Request, Body], Awaitable[web.StreamResponse]]
Serve = Callable[..., Awaitable[PoolGenerator]]


def event(**fields: object) -> bytes:
    return b"data: " + orjson.dumps(fields) + b"\n\n"


def chunk(text: str, place: int = 0, finish: str | None = None, **more: object) -> bytes:
    return event(choices=[{"index": place, "delta": {"content": text}, "finish_reason": finish}], **more)


def written(text: str, *ids: int, finish: str | None = None, stop: str | None = None, **more: object) -> bytes:
    choice = {"index": 0, "text": text, "token_ids": ids, "finish_reason": finish, "stop_reason": stop}
    return event(choices=[choice], **more)


def events(*parts: bytes) -> web.Response:
    return web.Response(body=b"".join(parts), content_type="text/event-stream")


def refusal(message: str, param: str | None = None, status: int = 400) -> web.Response:
    return web.json_response({"error": {"message": message, "param": param}}, status=status)


def each(body: Body, *texts: str) -> web.Response:
    """Every choice says this, at once."""
    return events(*(chunk(text, place, "stop") for place in range(body["n"]) for text in texts), DONE)


@asynccontextmanager
async def listening(handler: Handler) -> AsyncIterator[str]:
    """Run a server that answers every order so, and yield its URL."""

    async def post(request: web.Request) -> web.StreamResponse:
        return await handler(request, await request.json())

    async def render(_: web.Request) -> web.Response:
        return web.json_response({"tokens": [1, 2, 3], "max_model_len": 512, "prompt": "Q"})

    app = web.Application()
    for path in ("/v1/completions", "/v1/chat/completions"):
        app.router.add_post(path, post)
    for path in ("/tokenize", "/apply-template"):
        app.router.add_post(path, render)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()
