"""A replica that is killed or stopped, at rest and in the middle of searches, and comes back."""

from collections import Counter

from .cluster import SAMPLES, SEARCHES, VARIED, VOTES, Cluster, assert_answered
from .processes import Process, until
from .test_faults import assert_failed

SOME_FINISHED = 33
"""Events of eight samples, after which the shortest have finished and others have not."""


async def held(cluster: Cluster, replica: Process, calls: int) -> Counter[str]:
    """Return what a replica has counted since now, once it has fallen silent in so many calls."""
    before = await cluster.stats(replica)

    async def silent() -> bool:
        return (await cluster.stats(replica) - before)["troubled"] == calls

    await until(silent)
    return await cluster.stats(replica) - before


async def test_killing_a_replica_in_the_middle_of_searches_loses_no_sample(cluster: Cluster) -> None:
    victim, other = await cluster.preferred()
    await cluster.fault(victim, "silence", after_chunks=5)
    before = await cluster.stats(other)
    async with cluster.asking(*SEARCHES) as replies:
        had = await held(cluster, victim, 2 * len(SEARCHES))
        victim.kill()
    made = await cluster.stats(other) - before
    assert_answered(replies)
    assert had["tokens"] + made["tokens"] == sum(reply.compute["tokens"] for reply in replies.values())


async def test_samples_that_had_finished_on_a_killed_replica_count(cluster: Cluster) -> None:
    victim, other = await cluster.preferred()
    await cluster.fault(victim, "silence", after_chunks=SOME_FINISHED)
    before = await cluster.stats(other)
    async with cluster.asking(*VOTES) as replies:
        had = await held(cluster, victim, 2 * len(VOTES))
        victim.kill()
    made = await cluster.stats(other) - before
    assert_answered(replies)
    assert 0 < had["finished"] < 2 * len(VOTES) * SAMPLES
    assert had["finished"] + made["finished"] == 2 * len(VOTES) * SAMPLES
    assert had["tokens"] + made["tokens"] == sum(reply.compute["tokens"] for reply in replies.values())


async def test_a_replica_that_comes_back_at_its_address_is_used_again(cluster: Cluster) -> None:
    victim, other = await cluster.preferred()
    victim.kill()
    assert_answered({"vote": await cluster.ask()})
    assert_answered(await cluster.all_ways("beam_search"))
    victim.start()
    await until(cluster.healthy)
    used = before = await cluster.stats(other)

    async def back() -> bool:
        nonlocal used
        reply, before = await cluster.ask(), used
        assert_answered({"vote": reply})
        used = await cluster.stats(other)
        return used["calls"] == before["calls"]

    await until(back)
    assert (await cluster.stats(victim))["finished"] >= SAMPLES
    assert used["finished"] >= before["finished"]


async def test_a_stopped_replica_is_left_and_used_again_when_it_goes_on(cluster: Cluster) -> None:
    victim, _ = await cluster.preferred()
    await cluster.fault(victim, "slow", seconds=0.05)
    before = await cluster.stats(victim)

    async def writing() -> bool:
        counted = await cluster.stats(victim) - before
        return counted["calls"] == 2 * len(SEARCHES) and counted["tokens"] >= counted["calls"]

    async with cluster.asking(*SEARCHES) as replies:
        await until(writing)
        victim.freeze()
    assert_answered(replies)
    assert_answered({"stopped": await cluster.ask()})
    victim.thaw()
    await until(lambda: _idle(cluster, victim))
    await cluster.heal()
    assert (await cluster.preferred())[0] is victim


async def _idle(cluster: Cluster, replica: Process) -> bool:
    return await cluster.running(replica) == 0


async def test_the_solutions_there_are_outlive_all_replicas(cluster: Cluster) -> None:
    victim, other = await cluster.preferred()
    await cluster.fault(victim, "silence", after_chunks=SOME_FINISHED)
    before = await cluster.metrics()
    async with cluster.asking(*VOTES) as replies:
        had = await held(cluster, victim, 2 * len(VOTES))
        other.kill()
        victim.kill()
    finished = had["finished"] // len(replies)
    assert 0 < finished < SAMPLES
    for reply in replies.values():
        assert (reply.status, reply.error) == (200, None)
        assert (reply.votes, reply.compute["lost"]) == (finished, SAMPLES - finished)
        assert reply.seconds < 10.0
    await until(cluster.at_rest)
    lost = (await cluster.metrics() - before)["cogitate_candidates_total state=lost"]
    assert lost == len(replies) * (SAMPLES - finished)


async def test_without_any_replica_a_request_fails_and_at_once_when_that_is_known(cluster: Cluster) -> None:
    for replica in cluster.replicas:
        replica.kill()
    for reply in (await cluster.all_ways(*SEARCHES, question="What is 4 + 5?")).values():
        assert_failed(reply, 502, "generator_failed")
        assert reply.seconds < 10.0
    await until(lambda: _down(cluster))
    for reply in (await cluster.all_ways(*SEARCHES, question=VARIED)).values():  # its prompt is known
        assert_failed(reply, 502, "generator_failed")
        assert reply.seconds < 2.0


async def _down(cluster: Cluster) -> bool:
    return (await cluster.http.get("/ready")).status_code == 503


async def test_with_all_replicas_stopped_the_deadline_holds(cluster: Cluster) -> None:
    for replica in cluster.replicas:
        replica.freeze()
    for question in ("What is 6 + 7?", VARIED):
        for reply in (await cluster.all_ways(*SEARCHES, question=question, deadline=1.0)).values():
            assert reply.error
            assert (reply.status, reply.error["code"]) in {(504, "deadline_exceeded"), (502, "generator_failed")}
            assert reply.seconds < 1.5
