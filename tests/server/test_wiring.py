"""The whole server on the models it ships with: in this process, and as a process of its own."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import httpx
import pytest
from openai import AsyncOpenAI

from router.ports import Generator, GeneratorError
from server.settings import Settings
from server.web.readiness import State
from server.wiring import build, models
from tests.server.gateway.serving import serving

QUESTION = "What is 17 * 3 + 4?"


@asynccontextmanager
async def running() -> AsyncGenerator[httpx.AsyncClient]:
    app, readiness = build(Settings())
    assert readiness.state is State.STARTING
    async with serving(app) as port, httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as http:
        await until(http, 200)
        yield http
    assert readiness.state is State.DRAINING


@pytest.fixture
async def client() -> AsyncGenerator[httpx.AsyncClient]:
    async with running() as http:
        yield http


async def test_the_embedded_models_answer(client: httpx.AsyncClient) -> None:
    body = {"messages": [{"role": "user", "content": QUESTION}], "seed": 1}
    reply = await client.post("/v1/chat/completions", json=body, headers={"X-Compute-Budget": "medium"})
    compute = reply.json()["compute"]
    assert compute["answer"] == "55"
    assert compute["notice"] is None
    assert compute["samples"] <= 16
    metrics = (await client.get("/metrics")).text
    assert 'cogitate_requests_total{model="cogitate-embedded",outcome="answered",stream="false"} 1.0' in metrics


async def test_a_question_outside_the_family_is_answered_with_a_notice(client: httpx.AsyncClient) -> None:
    body = {"messages": [{"role": "user", "content": "Who wrote Faust?"}], "max_tokens": 20}
    reply = await client.post("/v1/chat/completions", json=body, headers={"X-Compute-Budget": "minimal"})
    assert reply.status_code == 200
    assert "only knows" in reply.json()["compute"]["notice"]


async def test_budgets_hold_on_the_real_models(client: httpx.AsyncClient) -> None:
    question = "What is 73 * 81 + (278 * 88 + 500 / 5 * 40)?"
    for budget, most in (("samples=6", 6), ("tokens=700", 256), ("samples=9, strategy=beam_search, tokens=900", 9)):
        body = {"messages": [{"role": "user", "content": question}], "seed": 3}
        reply = await client.post("/v1/chat/completions", json=body, headers={"X-Compute-Budget": budget})
        compute = reply.json()["compute"]
        assert compute["samples"] <= most
        assert compute["compute_tokens"] <= (compute["budget"]["granted"]["tokens"] or 10**9)


async def test_a_deadline_holds_on_the_real_models(client: httpx.AsyncClient) -> None:
    question = "What is 73 * 81 + (278 * 88 + 500 / 5 * 40)?"
    body = {"messages": [{"role": "user", "content": question}]}
    reply = await client.post("/v1/chat/completions", json=body, headers={"X-Compute-Budget": "deadline=0.4"})
    assert reply.status_code == 200
    assert reply.json()["compute"]["seconds"] < 2.0  # 64 samples of it take about three


async def test_a_server_whose_models_do_not_answer_lives_and_is_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = asyncio.Event()

    async def failing(_generator: Generator) -> None:
        tried.set()
        raise GeneratorError("no")

    monkeypatch.setattr(models, "prove", failing)
    app, readiness = build(Settings())
    async with serving(app) as port, httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http:
        await asyncio.wait_for(tried.wait(), 10)
        assert (await http.get("/health")).status_code == 200
        assert (await http.get("/ready")).status_code == 503
    assert readiness.state is State.DRAINING


def test_a_default_budget_that_cannot_be_read_stops_the_start() -> None:
    with pytest.raises(ValueError, match="cannot be read"):
        build(Settings(default_budget="lots"))


@asynccontextmanager
async def process(**environment: str) -> AsyncGenerator[tuple[asyncio.subprocess.Process, str]]:
    """A server in a process of its own, with its address once it is ready."""
    settings = {f"COGITATE_{name}": value for name, value in environment.items()}
    server = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        "from server.settings import Settings; from server.wiring import serve; serve(Settings(), print)",
        env={**os.environ, "COGITATE_PORT": "0", **settings},
        stderr=asyncio.subprocess.PIPE,
    )
    assert server.stderr
    try:
        address = ""
        while not address:
            line = (await asyncio.wait_for(server.stderr.readline(), 60)).decode()
            assert line, "the server has ended before it listened"
            _, found, rest = line.partition("running on ")
            address = rest.split()[0] if found else ""
        yield server, address
    finally:
        if server.returncode is None:
            server.kill()
        await server.communicate()


async def until(http: httpx.AsyncClient, status: int) -> None:
    while (await http.get("/ready")).status_code != status:
        pass


async def test_a_signal_to_stop_lets_a_stream_end_first() -> None:
    async with process() as (server, address):
        async with httpx.AsyncClient(base_url=address) as http:
            await asyncio.wait_for(until(http, 200), 30)
        async with AsyncOpenAI(base_url=f"{address}/v1", api_key="none") as client:
            stream = await client.chat.completions.create(
                model="cogitate-embedded",
                messages=[{"role": "user", "content": "What is 73 * 81 + (278 * 88 + 500 / 5 * 40)?"}],
                stream=True,
                reasoning_effort="high",
            )
            server.send_signal(signal.SIGTERM)
            finishes = [c.choices[0].finish_reason async for c in stream if c.choices]
        assert finishes[-1] == "stop"
        await asyncio.wait_for(server.communicate(), 10)
        assert server.returncode in {0, -signal.SIGTERM}


async def test_readiness_ends_before_the_server_does() -> None:
    async with process(DRAIN_SECONDS="30") as (server, address), httpx.AsyncClient(base_url=address) as http:
        await asyncio.wait_for(until(http, 200), 30)
        server.send_signal(signal.SIGTERM)
        await asyncio.wait_for(until(http, 503), 10)
        assert (await http.get("/health")).status_code == 200
        server.send_signal(signal.SIGTERM)
        await asyncio.wait_for(server.communicate(), 10)
