"""The backends the contract is checked on: the fake always, real ones where COGITATE_TEST_BACKENDS names them.

Its form is "vllm=http://127.0.0.1:8101 llamacpp=http://127.0.0.1:8102". Each serves the embedded generator's
checkpoint, so that all of them have to give the same answers.
"""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import httpx
import pytest
import pytest_asyncio

from server.generators import GeneratorOptions, PoolGenerator
from server.upstream import Pool

_NAMED = dict(entry.split("=", 1) for entry in os.environ.get("COGITATE_TEST_BACKENDS", "").split())


@dataclass(frozen=True, slots=True)
class Backend:
    """A running server: `kind` is "fake", "vllm" or "llamacpp"."""

    kind: str
    url: str


@pytest.fixture(scope="session")
def fake_url() -> Iterator[str]:
    """A fake vLLM, in a process of its own."""
    command = [sys.executable, "-m", "tests.fakes.vllm"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        yield process.stdout.readline().strip()
        process.terminate()


@pytest.fixture(params=["fake", *_NAMED])
def backend(request: pytest.FixtureRequest) -> Iterator[Backend]:
    """Each backend in turn."""
    kind: str = request.param
    yield Backend(kind, _NAMED[kind] if kind in _NAMED else request.getfixturevalue("fake_url"))
    if kind == "fake":
        httpx.post(f"{request.getfixturevalue('fake_url')}/fault", json={"kind": None}).raise_for_status()


@pytest.fixture
def vllm(backend: Backend) -> Backend:
    """A backend that answers as vLLM does, or should."""
    if backend.kind not in ("fake", "vllm"):
        pytest.skip("these are vLLM's own shapes")
    return backend


@pytest_asyncio.fixture
async def client(backend: Backend) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=backend.url, timeout=60, trust_env=False) as http:
        yield http


@pytest_asyncio.fixture(params=["auto", "chat"])
async def generator(backend: Backend, request: pytest.FixtureRequest) -> AsyncIterator[PoolGenerator]:
    """The backend as our generator: as it is detected, and as any chat endpoint that continues its last message."""
    options = GeneratorOptions(dialect=request.param, prefill=True)
    made = PoolGenerator(Pool("contract", [backend.url]), None, "contract", options)
    await made.start()
    async with asyncio.timeout(10):
        while not made.reachable:  # noqa: ASYNC110 - it is the server that makes it so
            await asyncio.sleep(0.01)
    yield made
    await made.aclose()
