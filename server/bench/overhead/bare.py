"""The least proxy anybody would write: FastAPI in front, aiohttp behind, a schema for the body, and nothing else."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import orjson
import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict


class Message(BaseModel):
    """One turn."""

    role: str
    content: str | list[dict[str, Any]] | None = None


class ChatRequest(BaseModel):
    """The fields a proxy may look at; others go through."""

    model_config = ConfigDict(extra="allow")

    messages: list[Message]
    model: str | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    stream: bool = False


def proxy(upstream: str) -> FastAPI:
    """Return the application, whose model is served at `upstream`."""

    @asynccontextmanager
    async def running(app: FastAPI) -> AsyncGenerator[None]:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
            app.state.session = session
            yield

    app = FastAPI(lifespan=running)

    @app.post("/v1/chat/completions")
    async def chat(body: ChatRequest, request: Request) -> Response:  # pyright: ignore[reportUnusedFunction]
        session: aiohttp.ClientSession = request.app.state.session
        data, url = orjson.dumps(body.model_dump(exclude_unset=True)), f"{upstream}/v1/chat/completions"
        headers = {"Content-Type": "application/json"}
        if body.stream:
            return StreamingResponse(_passed(session, url, data, headers), media_type="text/event-stream")
        async with session.post(url, data=data, headers=headers) as reply:
            return Response(await reply.read(), reply.status, media_type="application/json")

    return app


async def _passed(
    session: aiohttp.ClientSession, url: str, data: bytes, headers: dict[str, str]
) -> AsyncGenerator[bytes]:
    async with session.post(url, data=data, headers=headers) as reply:
        async for chunk in reply.content.iter_any():
            yield chunk


def serve(port: int, upstream: str) -> None:
    """Serve until terminated, as fast as uvicorn can."""
    uvicorn.run(
        proxy(upstream), port=port, loop="uvloop", http="httptools", ws="none", access_log=False, log_level="warning"
    )
