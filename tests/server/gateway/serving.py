"""What the gateway's tests stand on: an application over the router's fakes, and a real server around it."""

import asyncio
import socket
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any, cast

import httpx
import uvicorn
from fastapi import FastAPI

from router.ports import Generator, Scorer
from router.testing import FakeGenerator, FakeScorer
from server.admission import Admission
from server.gateway import Condition, Deps, Exposition, Limits, Model, Readiness, create_app
from server.keys import Keyring, LocalQuota, Quota
from server.observers.traces import Untraced
from server.report import Report

LIMITS = Limits(default_budget="auto", max_samples=256, max_deadline=60.0, max_body_bytes=100_000)


def script(_text: str, seed: int) -> str:
    """Three in four samples are right: two steps and an answer."""
    answer = 41 if seed % 4 == 0 else 42
    return f"## Step 1: We add the numbers.\n\n## Step 2: This makes {answer}.\n\nThe answer is $\\boxed{{{answer}}}$."


def judge(text: str) -> float:
    """A scorer that knows the right answer."""
    return 0.2 if "41" in text else 0.9


@dataclass
class Watch:
    """An observer that keeps what it hears."""

    arrivals: int = 0
    reports: list[Report] = field(default_factory=list[Report])

    def started(self) -> None:
        self.arrivals += 1

    def ended(self, report: Report) -> None:
        self.reports.append(report)


def deps(
    generator: Generator | None = None,
    scorer: Scorer | None = None,
    limits: Limits = LIMITS,
    ready: bool = True,
    notice: str | None = None,
    watch: Watch | None = None,
    passes: frozenset[str] = frozenset(),
    condition: Callable[[], Condition] = Condition,
    admission: Admission | None = None,
    keyring: Keyring | None = None,
    quota: Quota | None = None,
) -> Deps:
    readiness = Readiness()
    if ready:
        readiness.open()
    return Deps(
        models=(
            Model(
                "cogitate-embedded",
                generator or FakeGenerator(script),
                scorer or FakeScorer(judge),
                passes=passes,
                notice=lambda _problem: notice,
                condition=condition,
            ),
        ),
        version="0.1.0",
        observers=(watch,) if watch else (),
        exposition=lambda: Exposition(b"metric 1\n", "text/plain; version=0.0.4"),
        readiness=readiness,
        running=nullcontext,
        limits=limits,
        admission=admission or Admission(capacity=10_000, requests=100, waiting=100, patience=5.0),
        trace=Untraced().begin,
        keyring=keyring,
        quota=quota or LocalQuota(),
    )


def client(dependencies: Deps | None = None) -> httpx.AsyncClient:
    """A client that calls the application without a socket."""
    transport = httpx.ASGITransport(create_app(dependencies or deps()))
    return httpx.AsyncClient(transport=transport, base_url="http://cogitate")


def question(**fields: Any) -> dict[str, Any]:
    return {"model": "cogitate-embedded", "messages": [{"role": "user", "content": "What is 20 + 22?"}], **fields}


async def ask(dependencies: Deps | None = None, headers: Any = None, **fields: Any) -> httpx.Response:
    async with client(dependencies) as http:
        return await http.post("/v1/chat/completions", json=question(**fields), headers=headers)


def error_of(response: httpx.Response) -> dict[str, Any]:
    """The error object, whose shape is checked: clients read all four fields."""
    body = response.json()
    assert body.keys() == {"error"}
    error = cast("dict[str, Any]", body["error"])
    assert error.keys() == {"message", "type", "param", "code"}
    assert error["code"] is None or isinstance(error["code"], str)
    return error


@asynccontextmanager
async def serving(app: FastAPI) -> AsyncGenerator[int]:
    """Serve `app` on a free port of this machine, and yield the port."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, log_level="critical", ws="none", timeout_graceful_shutdown=2)
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        while not server.started:
            await asyncio.wait((task,), timeout=0.005)
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        await task
