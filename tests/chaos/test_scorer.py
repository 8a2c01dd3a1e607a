"""The scoring service is killed or stopped: searches go on without it, say so, and have it back by themselves."""

import asyncio

from .cluster import JUDGED, SEARCHES, Cluster, Replies, assert_answered
from .conftest import SCORER_SECONDS
from .processes import until

RECOVERY_SECONDS = 6.0
"""In which a scoring service that is ready is used again: two health checks, and a trial."""


async def degraded(cluster: Cluster) -> int:
    """Return how many requests the gateway has answered without a scorer, once all have been counted."""
    await until(cluster.at_rest)
    return (await cluster.metrics())["cogitate_degraded_total"]


async def judgements(cluster: Cluster) -> int:
    """Return how many requests the scoring service has answered."""
    return (await cluster.metrics(cluster.prm))["cogitate_prm_requests_total"]


def assert_marked(replies: Replies) -> None:
    """Assert that those which needed the scorer say in body and header that they had none, and no others."""
    for name, reply in replies.items():
        judged = name.partition(",")[0] in JUDGED
        if judged:
            (told,) = reply.compute["degraded"]
            assert told.startswith("scorer: "), told
        streaming = "X-Compute-Samples" not in reply.headers
        assert (reply.headers.get("X-Compute-Degraded") == "scorer") is (judged and not streaming), name


async def recovered(cluster: Cluster) -> None:
    """Ask until the scoring service is ready, and then until it is used again: the gateway finds that out itself."""

    async def judged() -> bool:
        reply = await cluster.ask("weighted_best_of_n", 2, max_tokens=8)
        assert (reply.status, reply.compute["lost"]) == (200, 0)
        return not reply.degraded

    async def ready() -> bool:
        await judged()
        return await asyncio.to_thread(cluster.prm.answers)

    await until(ready, 180)
    await until(judged, RECOVERY_SECONDS)


async def test_searches_whose_scorer_is_killed_under_way_are_put_to_the_vote(cluster: Cluster) -> None:
    before, judged = await degraded(cluster), await judgements(cluster)
    for replica in cluster.replicas:
        await cluster.fault(replica, "slow", seconds=0.05)

    async def some_judged() -> bool:
        return await judgements(cluster) > judged

    async with cluster.asking(*SEARCHES) as replies:
        await until(some_judged)  # the first steps of the beams; whole answers take longer
        cluster.prm.kill()
    assert_answered(replies, degraded=JUDGED)
    assert_marked(replies)
    assert await degraded(cluster) == before + 2 * len(JUDGED)
    for replica in cluster.replicas:
        await cluster.fault(replica, None)
    down = await cluster.all_ways(*SEARCHES)
    assert_answered(down, degraded=JUDGED)
    assert_marked(down)
    cluster.prm.start()
    await recovered(cluster)
    assert_answered(await cluster.all_ways(*SEARCHES))


async def test_a_stopped_scorer_holds_up_no_search_for_longer_than_its_time(cluster: Cluster) -> None:
    before = await degraded(cluster)
    cluster.prm.freeze()
    replies = await cluster.all_ways(*SEARCHES)
    assert_answered(replies, degraded=JUDGED)
    assert_marked(replies)
    assert await degraded(cluster) == before + 2 * len(JUDGED)
    cluster.prm.thaw()
    await recovered(cluster)
    assert_answered(await cluster.all_ways(*SEARCHES))


async def test_a_stopped_scorer_does_not_break_a_deadline(cluster: Cluster) -> None:
    await cluster.ask()  # the samples are there in no time now
    cluster.prm.freeze()
    deadline = 1.5
    assert deadline < SCORER_SECONDS
    replies = await asyncio.gather(*(cluster.ask("best_of_n", stream=s, deadline=deadline) for s in (False, True)))
    for reply in replies:
        assert reply.status == 200, reply
        assert reply.votes >= 1
        assert reply.degraded
        assert reply.seconds < deadline + 0.5
    cluster.prm.thaw()
    await recovered(cluster)
