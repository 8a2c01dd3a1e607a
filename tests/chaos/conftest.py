"""One cluster of real processes for the whole folder; every test finds it whole, and has to leave it at rest."""

from collections.abc import AsyncGenerator, Generator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from .cluster import Cluster
from .processes import Process, until

VERIFIER = Path(__file__).parents[2] / "server" / "embedded" / "weights" / "verifier"

STALL_SECONDS = 2.5
"""Silence after which the gateway gives a call up: short, but longer than a busy machine takes for a first token."""

SCORER_SECONDS = 2.0


@pytest.fixture(scope="package")
def processes(tmp_path_factory: pytest.TempPathFactory) -> Generator[tuple[Process, Process, Process, Process]]:
    """The gateway, two replicas and the scoring service, started beside each other."""
    logs = tmp_path_factory.mktemp("logs")
    one, other = (Process(("-m", "tests.chaos.replica"), logs / f"replica-{i}.log") for i in range(2))
    for replica in (one, other):
        replica.arguments += (str(replica.port),)
    prm = Process(("-m", "server", "prm"), logs / "prm.log", "/ready")
    prm.environment = {
        "COGITATE_PRM_FAMILY": "implicit",
        "COGITATE_PRM_MODEL": str(VERIFIER),
        "COGITATE_PRM_CALIBRATION": str(VERIFIER / "calibration.json"),
        "COGITATE_PRM_NAME": "verifier",
        "COGITATE_PRM_THREADS": "1",
        "COGITATE_PRM_LISTEN_PORT": str(prm.port),
    }
    gateway = Process(("-m", "server", "serve"), logs / "gateway.log", "/ready")
    gateway.environment = {
        "COGITATE_PORT": str(gateway.port),
        "COGITATE_GENERATORS": f"{one.url},{other.url}",
        "COGITATE_SCORERS": prm.url,
        "COGITATE_SCORER_TIMEOUT": str(SCORER_SECONDS),
        "COGITATE_STALL_SECONDS": str(STALL_SECONDS),
    }
    with ExitStack() as stack:
        started = (gateway, one, other, prm)
        for process in started:
            stack.callback(process.end)
            process.start()
        for process in started:
            process.wait()
        yield started


@pytest.fixture
async def cluster(processes: tuple[Process, Process, Process, Process]) -> AsyncGenerator[Cluster]:
    """A cluster that is well. After the test it is at rest, and has spent nothing that was not set aside."""
    gateway, one, other, prm = processes
    async with httpx.AsyncClient(base_url=gateway.url, timeout=60, trust_env=False) as http:
        cluster = Cluster(gateway, (one, other), prm, http)
        await cluster.heal()
        overrun = (await cluster.metrics())["cogitate_overrun_tokens_total"]
        yield cluster
        for replica in cluster.replicas:
            replica.thaw()
        await until(cluster.at_rest, 5)
        assert (await cluster.metrics())["cogitate_overrun_tokens_total"] == overrun
