"""A replica is killed while many clients wait."""

import asyncio
from itertools import cycle

from .cluster import SEARCHES, Cluster, assert_answered
from .processes import until

CLIENTS = 20
SAMPLES = 4


async def test_killing_a_replica_under_load_loses_no_request(cluster: Cluster) -> None:
    for replica in cluster.replicas:
        await cluster.fault(replica, "slow", seconds=0.05)
    ways = zip(range(CLIENTS), cycle(SEARCHES), cycle((False, True)), strict=False)
    asking = {
        f"{search}, question {number}": asyncio.create_task(
            cluster.ask(search, SAMPLES, question=f"What is {20 + number} * {number + 3}?", stream=stream, deadline=40)
        )
        for number, search, stream in ways
    }
    victim, other = cluster.replicas
    before = await cluster.stats(victim)

    async def busy() -> bool:
        counted = await cluster.stats(victim) - before
        return counted["tokens"] > 40 and counted["running"] > SAMPLES

    await until(busy, 40)
    victim.kill()
    replies = dict(zip(asking, await asyncio.gather(*asking.values()), strict=True))
    assert_answered(replies, samples=SAMPLES)
    assert len(replies) == CLIENTS
    await until(lambda: _alone(cluster))
    assert (await cluster.stats(other))["finished"] > 0


async def _alone(cluster: Cluster) -> bool:
    return (await cluster.condition())["replicas"]["healthy"] == 1
