"""Nobody waits any more: what is being generated for nobody ends, at once and everywhere."""

import asyncio
import time
from typing import Any

import pytest

from .cluster import SAMPLES, SEARCHES, Cluster
from .processes import until

AT_ONCE = 0.25
"""Seconds in which the replicas have to know."""

BEGUN: dict[str, Any] = {"kind": "silence", "after_chunks": 5}
"""Samples are under way, some of them begun."""
WAITING: dict[str, Any] = {"kind": "slow", "seconds": 30.0}
"""Samples are under way, and none of them has begun."""


async def idle_since(cluster: Cluster) -> float:
    """Wait until nothing runs on the replicas; return since when, on the machine's monotonic clock."""

    async def idle() -> bool:
        return sum([await cluster.running(replica) for replica in cluster.replicas]) == 0

    await until(idle, 5)
    return max([(await cluster.stats(replica))["idle_at"] for replica in cluster.replicas])


faults = pytest.mark.parametrize("fault", [BEGUN, WAITING], ids=["begun", "waiting"])


@faults
async def test_a_client_that_leaves_stops_its_search_on_the_replicas(cluster: Cluster, fault: dict[str, Any]) -> None:
    await cluster.preferred()  # the prompt is known
    for replica in cluster.replicas:
        await cluster.fault(replica, **fault)
    before = await cluster.metrics()
    asking = asyncio.create_task(cluster.all_ways(*SEARCHES))

    async def running() -> bool:
        counts = [await cluster.running(replica) for replica in cluster.replicas]
        return sum(counts) == 2 * len(SEARCHES) * SAMPLES

    await until(running)
    left = time.monotonic()
    asking.cancel()
    assert await idle_since(cluster) - left < AT_ONCE
    await until(cluster.at_rest)
    ended = await cluster.metrics() - before
    assert ended["cogitate_requests_total"] == 2 * len(SEARCHES)
    assert ended["cogitate_searches_total"] == 0


@faults
async def test_a_deadline_stops_its_search_on_the_replicas(cluster: Cluster, fault: dict[str, Any]) -> None:
    await cluster.preferred()
    for replica in cluster.replicas:
        await cluster.fault(replica, **fault)
    begun = time.monotonic()
    replies = await cluster.all_ways(*SEARCHES, deadline=1.0)
    assert begun < await idle_since(cluster) < begun + 1.0 + AT_ONCE
    for reply in replies.values():
        assert reply.seconds < 1.0 + AT_ONCE
        if fault is BEGUN:
            assert (reply.status, reply.compute["stopped"]) == (200, "deadline")
        else:
            assert reply.error
            assert (reply.status, reply.error["code"]) == (504, "deadline_exceeded")
