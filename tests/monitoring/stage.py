"""A gateway with all that stands behind it, under load, watched by a real Prometheus; and what befalls it."""

import asyncio
import time
from collections.abc import AsyncGenerator, Generator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from itertools import count, cycle
from pathlib import Path
from typing import Any

import httpx

from tests.chaos.conftest import VERIFIER
from tests.chaos.processes import Process, free_port, until

from .prometheus import Prometheus

MODEL = "cogitate"

BUDGETS: tuple[str, ...] = (
    "auto",
    "samples=1, strategy=greedy",
    "high",
    "samples=4, strategy=majority_voting",
    "samples=4, strategy=weighted_best_of_n",
    "low",
    "samples=8, tokens=4000, strategy=majority_voting",
    "samples=4, strategy=beam_search",
)
"""What the clients ask for, in turn."""

CLIENTS = 2
CALM_SECONDS = 14.0
FAULT_SECONDS = 16.0
FLOOD = 24
"""Clients that come on top during the fault: more than the gateway has room and patience for."""


@dataclass
class Stage:
    """The processes, and when what has happened, as Unix times."""

    gateway: Process
    replicas: tuple[Process, Process]
    prm: Process
    prometheus: Prometheus
    times: dict[str, float] = field(default_factory=dict[str, float])
    statuses: dict[int, int] = field(default_factory=dict[int, int])

    def mark(self, moment: str) -> None:
        """Note that something happens now."""
        self.times[moment] = time.time()

    async def play(self, recovery: float = 0.0) -> None:
        """Be calm, then let scorer and replica fail while too many ask, and then let `recovery` seconds pass."""
        async with httpx.AsyncClient(base_url=self.gateway.url, timeout=60, trust_env=False) as http:
            self.mark("begin")
            async with self._clients(http, CLIENTS):
                await asyncio.sleep(CALM_SECONDS)  # nothing is waited for but time
                self.mark("fault")
                self.prm.kill()
                await self._fault(self.replicas[0], kind="500")
                await self._fault(self.replicas[1], kind="slow", seconds=0.03)
                async with self._clients(http, FLOOD):
                    await asyncio.sleep(FAULT_SECONDS)
                self.mark("over")
                if recovery:
                    self.prm.start()
                    for replica in self.replicas:
                        await self._fault(replica, kind=None)
                    await asyncio.sleep(recovery)
            self.mark("end")
            await asyncio.sleep(2)  # the last scrape, and the rules that use it

    @asynccontextmanager
    async def _clients(self, http: httpx.AsyncClient, clients: int) -> AsyncGenerator[None]:
        numbers = count(clients * 100)
        budgets: cycle[str] = cycle(BUDGETS)
        tasks = [asyncio.create_task(self._client(http, budgets, numbers)) for _ in range(clients)]
        try:
            yield
            assert not any(task.done() for task in tasks), "a client has given up"
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _client(self, http: httpx.AsyncClient, budgets: "cycle[str]", numbers: "count[int]") -> None:
        while True:
            number = next(numbers)
            body: dict[str, Any] = {
                "messages": [{"role": "user", "content": f"What is {number % 900} * {7 + number % 5}?"}],
                "stream": number % 2 == 0,
                "seed": number,
            }
            reply = await http.post("/v1/chat/completions", json=body, headers={"X-Compute-Budget": next(budgets)})
            self.statuses[reply.status_code] = self.statuses.get(reply.status_code, 0) + 1
            await asyncio.sleep(0.1)

    async def _fault(self, replica: Process, **how: Any) -> None:
        async with httpx.AsyncClient(base_url=replica.url, trust_env=False) as http:
            (await http.post("/fault", json=how)).raise_for_status()


@contextmanager
def staged(folder: Path) -> Generator[Stage]:
    """Start everything, and end it."""
    one, other = (Process(("-m", "tests.monitoring.replica"), folder / f"replica-{i}.log") for i in range(2))
    for replica in (one, other):
        replica.arguments += (str(replica.port),)
    prm = Process(("-m", "server", "prm"), folder / "prm.log", "/ready", _prm(free_port()))
    prm.port = int(prm.environment["COGITATE_PRM_LISTEN_PORT"])
    gateway = Process(("-m", "server", "serve"), folder / "gateway.log", "/ready")
    gateway.environment = _gateway(gateway, (one, other), prm)
    with ExitStack() as stack:
        processes = (one, other, prm, gateway)
        for process in processes:
            process.environment |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
            stack.callback(process.end)
            process.start()
        for process in processes:
            process.wait()
        jobs = {"cogitate": (gateway,), "cogitate-prm": (prm,), "vllm": (one, other)}
        prometheus = Prometheus(folder, {job: [f"127.0.0.1:{p.port}" for p in of] for job, of in jobs.items()})
        stack.callback(prometheus.close)
        prometheus.start()
        asyncio.run(_scraped(prometheus, len(processes)))
        yield Stage(gateway, (one, other), prm, prometheus)


def _prm(port: int) -> dict[str, str]:
    return {
        "COGITATE_PRM_FAMILY": "implicit",
        "COGITATE_PRM_MODEL": str(VERIFIER),
        "COGITATE_PRM_CALIBRATION": str(VERIFIER / "calibration.json"),
        "COGITATE_PRM_NAME": "verifier",
        "COGITATE_PRM_THREADS": "1",
        "COGITATE_PRM_LISTEN_PORT": str(port),
    }


def _gateway(gateway: Process, replicas: tuple[Process, Process], prm: Process) -> dict[str, str]:
    return {
        "COGITATE_PORT": str(gateway.port),
        "COGITATE_MODEL": MODEL,
        "COGITATE_GENERATORS": ",".join(replica.url for replica in replicas),
        "COGITATE_SCORERS": prm.url,
        "COGITATE_SCORER_TIMEOUT": "2.0",
        "COGITATE_STALL_SECONDS": "2.5",
        "COGITATE_CAPACITY": "64",
        "COGITATE_MAX_QUEUE": "2",
        "COGITATE_QUEUE_SECONDS": "0.5",
    }


async def _scraped(prometheus: Prometheus, targets: int) -> None:
    """Return once Prometheus sees every target well: a rate needs the zero that was before the first request."""

    async def all_well() -> bool:
        return sum(target["health"] == "up" for target in prometheus.targets()) == targets and not prometheus.firing()

    await until(all_well, 15)
