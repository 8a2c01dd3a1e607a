"""Servers for the client's tests: the real service in a process, and one that answers whatever the test says."""

import asyncio
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI, Request
from starlette.responses import Response

from tests.server.gateway.serving import serving

Answer = Callable[[Request], Awaitable[Response]]


@asynccontextmanager
async def process(port: int = 0, seconds: float = 0.0) -> AsyncGenerator[tuple[asyncio.subprocess.Process, str]]:
    """The service with a fake model that takes so many seconds a batch; yields it and its URL once it is ready."""
    command = (sys.executable, "-m", "tests.server.prm.process", str(port), str(seconds))
    child = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert child.stdout
    try:
        url = (await asyncio.wait_for(child.stdout.readline(), 120)).decode().strip()
        async with asyncio.timeout(60), httpx.AsyncClient() as http:
            while (await http.get(f"{url}/ready")).status_code != 200:
                pass
        yield child, url
    finally:
        if child.returncode is None:
            child.kill()
        await child.communicate()


@asynccontextmanager
async def answering(answer: Answer) -> AsyncGenerator[str]:
    """A server that is healthy and answers scores as told; yields its URL."""
    app = FastAPI()
    app.add_api_route("/health", lambda: {"status": "ok"})
    app.add_route("/v1/score", answer, methods=["POST"])
    async with serving(app) as port:
        yield f"http://127.0.0.1:{port}"
