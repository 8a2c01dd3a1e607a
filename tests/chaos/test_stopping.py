"""A gateway that is told to stop in the middle of searches: every one of them has its answer, or an honest error."""

import asyncio
import signal
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from .cluster import SEARCHES, Cluster
from .processes import Process, until

SOON = 0.5
"""Seconds after which the gateways of these tests cut short what runs."""

SLOW: dict[str, Any] = {"kind": "slow", "seconds": 0.1}
"""Samples of a question differ in length: some end seconds before the others."""


@asynccontextmanager
async def gateway(cluster: Cluster, log: Path, **settings: str) -> AsyncGenerator[Cluster]:
    """Another gateway in front of the same replicas, which the test may stop."""
    process = Process(("-m", "server", "serve"), log, "/ready")
    process.environment = {
        "COGITATE_PORT": str(process.port),
        "COGITATE_GENERATORS": ",".join(replica.url for replica in cluster.replicas),
        "COGITATE_SCORERS": cluster.prm.url,
        "COGITATE_STALL_SECONDS": "30",
        **settings,
    }
    process.start()
    try:
        await until(lambda: asyncio.to_thread(process.answers), 60)
        async with httpx.AsyncClient(base_url=process.url, timeout=60, trust_env=False) as http:
            yield Cluster(process, cluster.replicas, cluster.prm, http)
    finally:
        process.end()


async def some_finished(cluster: Cluster, before: int) -> bool:
    return (await cluster.counted())["finished"] >= before + 4


async def ended(cluster: Cluster) -> bool:
    return not cluster.gateway.alive


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_searches_are_cut_short_and_answer_with_the_best_they_have(
    cluster: Cluster, tmp_path: Path, workers: str
) -> None:
    await cluster.preferred()
    before = await cluster.counted()
    for replica in cluster.replicas:
        await cluster.fault(replica, **SLOW)
    log = tmp_path / "gateway.log"
    async with gateway(cluster, log, COGITATE_STOP_SECONDS=str(SOON), COGITATE_WORKERS=workers) as stopping:
        async with stopping.asking(*SEARCHES, deadline=30.0) as replies:
            await until(lambda: some_finished(stopping, before["finished"]), 25)
            stopping.gateway._send(signal.SIGTERM)  # pyright: ignore[reportPrivateUsage]
        assert len(replies) == 2 * len(SEARCHES)
        for way, reply in replies.items():
            assert reply.seconds < 20, way
            if reply.error is None:
                assert (reply.status, reply.compute["stopped"] in ("shutdown", "agreed", "complete")) == (200, True), (
                    way
                )
            else:
                assert reply.error["code"] == "stopping", way
        assert "shutdown" in [reply.compute.get("stopped") for reply in replies.values()]
        await until(lambda: ended(stopping), 10)
    await until(cluster.at_rest, 5)


async def test_without_a_time_searches_end_as_they_would_have(cluster: Cluster, tmp_path: Path) -> None:
    before = await cluster.counted()
    for replica in cluster.replicas:
        await cluster.fault(replica, kind="slow", seconds=0.05)
    async with gateway(cluster, tmp_path / "gateway.log") as stopping:
        async with stopping.asking("majority_voting") as replies:
            await until(lambda: under_way(stopping, before["calls"]), 25)
            stopping.gateway._send(signal.SIGTERM)  # pyright: ignore[reportPrivateUsage]
        for way, reply in replies.items():
            assert (reply.status, reply.error) == (200, None), way
            assert reply.compute["stopped"] in ("complete", "agreed"), way
        await until(lambda: ended(stopping), 10)


async def under_way(cluster: Cluster, before: int) -> bool:
    return (await cluster.counted())["calls"] >= before + 2
