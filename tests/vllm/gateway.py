"""The gateway in front of real vLLM servers: what is asked of it, and what their counters say."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families

from tests.chaos.processes import Process

TOKENS = "vllm:generation_tokens_total"
RUNNING = "vllm:num_requests_running"


@dataclass(frozen=True, slots=True)
class Gateway:
    """A client of one gateway, and of the vLLM servers behind it."""

    http: httpx.AsyncClient
    replicas: tuple[str, ...]

    async def ask(self, question: str, budget: str, **fields: Any) -> dict[str, Any]:
        """Return a whole reply, or fail."""
        body = {"messages": [{"role": "user", "content": question}], "seed": 7, **fields}
        reply = await self.http.post("/v1/chat/completions", json=body, headers={"X-Compute-Budget": budget})
        assert reply.status_code == 200, reply.text
        return reply.json()

    async def counted(self, name: str) -> tuple[float, ...]:
        """Return the value of one metric on each replica."""
        return tuple(await asyncio.gather(*(self._counted(url, name) for url in self.replicas)))

    async def _counted(self, url: str, name: str) -> float:
        text = (await self.http.get(f"{url}/metrics")).text
        samples = (s for family in text_string_to_metric_families(text) for s in family.samples)
        return sum(s.value for s in samples if s.name == name)


def gateway_process(logs: Path, replicas: Sequence[str], scorer: str, **settings: str) -> Process:
    """Return a gateway that is not started yet."""
    process = Process(("-m", "server", "serve"), logs / "gateway.log", "/ready")
    process.environment = {
        "COGITATE_PORT": str(process.port),
        "COGITATE_GENERATORS": ",".join(replicas),
        "COGITATE_SCORERS": scorer,
        **{f"COGITATE_{name}": value for name, value in settings.items()},
    }
    return process


def scorer_process(logs: Path, model: Path, backend: str) -> Process:
    """Return a scoring service over a language model on vLLM, not started yet."""
    process = Process(("-m", "server", "prm"), logs / "prm.log", "/ready")
    process.environment = {
        "COGITATE_PRM_FAMILY": "implicit",
        "COGITATE_PRM_MODEL": str(model),
        "COGITATE_PRM_HOST": "vllm",
        "COGITATE_PRM_BACKEND": backend,
        "COGITATE_PRM_LISTEN_PORT": str(process.port),
    }
    return process


@asynccontextmanager
async def client_of(process: Process, replicas: Sequence[str]) -> AsyncGenerator[Gateway]:
    """Connect."""
    async with httpx.AsyncClient(base_url=process.url, timeout=120, trust_env=False) as http:
        yield Gateway(http, tuple(replicas))
