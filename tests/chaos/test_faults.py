"""A replica that answers badly: its calls are answered by the other one, and nothing is generated twice."""

import pytest

from .cluster import SAMPLES, SEARCHES, VOTES, Cluster, Reply, assert_answered

WITHIN = 5
"""Events that come before a fault in the middle of a reply: some samples have begun by then."""


@pytest.mark.parametrize("kind", ["500", "503", "garbage", "half", "drop"])
async def test_a_reply_that_fails_before_its_first_token_is_asked_for_again(cluster: Cluster, kind: str) -> None:
    bad, good = await cluster.preferred()
    await cluster.fault(bad, kind)
    before, spoilt = await cluster.stats(good), await cluster.stats(bad)
    assert_answered(await cluster.all_ways(*VOTES))
    made, spoilt = await cluster.stats(good) - before, await cluster.stats(bad) - spoilt
    assert made["started"] == made["finished"] == 2 * len(VOTES) * SAMPLES
    assert spoilt["calls"] > 0
    assert spoilt["finished"] == 0
    assert_answered(await cluster.all_ways("beam_search"))


@pytest.mark.parametrize("kind", ["garbage", "half", "drop", "error", "abort"])
async def test_a_reply_that_fails_in_its_middle_is_continued_from_there(cluster: Cluster, kind: str) -> None:
    bad, good = await cluster.preferred()
    await cluster.fault(bad, kind, after_chunks=WITHIN)
    before, spoilt = await cluster.stats(good), await cluster.stats(bad)
    replies = await cluster.all_ways(*SEARCHES)
    made, spoilt = await cluster.stats(good) - before, await cluster.stats(bad) - spoilt
    assert_answered(replies)
    assert spoilt["tokens"] > 0
    assert made["tokens"] + spoilt["tokens"] == sum(reply.compute["tokens"] for reply in replies.values())


@pytest.mark.parametrize("chunks", [0, WITHIN])
async def test_a_silent_replica_is_given_up(cluster: Cluster, chunks: int) -> None:
    bad, good = await cluster.preferred()
    await cluster.fault(bad, "silence", after_chunks=chunks)
    before, silent = await cluster.stats(good), await cluster.stats(bad)
    replies = await cluster.all_ways(*SEARCHES)
    made, silent = await cluster.stats(good) - before, await cluster.stats(bad) - silent
    assert_answered(replies)
    assert silent["calls"] > 0
    assert silent["finished"] == 0
    assert made["tokens"] + silent["tokens"] == sum(reply.compute["tokens"] for reply in replies.values())


async def test_a_replica_that_fails_every_completion_costs_no_question_its_samples(cluster: Cluster) -> None:
    # Rendering the prompt works there all the time: that must not hide what does not.
    bad, _ = await cluster.preferred()
    await cluster.fault(bad, "500")
    before = await cluster.stats(bad)
    for number in range(24):
        reply = await cluster.ask("majority_voting", 2, question=f"What is {number} + 11?", max_tokens=3)
        assert_answered({f"question {number}": reply}, samples=2)
    assert (await cluster.stats(bad) - before)["calls"] > 0


async def test_replicas_that_are_full_for_a_moment_are_waited_for(cluster: Cluster) -> None:
    for replica in cluster.replicas:
        await cluster.fault(replica, "503", times=1)
    before = await cluster.counted()
    assert_answered({"vote": await cluster.ask()})
    assert (await cluster.counted() - before)["finished"] == SAMPLES


async def test_the_time_a_full_replica_names_is_waited_for(cluster: Cluster) -> None:
    for replica in cluster.replicas:
        await cluster.fault(replica, "503", times=1, retry_after="1")
    reply = await cluster.ask()
    assert_answered({"vote": reply})
    assert reply.seconds >= 1.0


async def test_a_time_beyond_the_deadline_is_not_waited_for(cluster: Cluster) -> None:
    for replica in cluster.replicas:
        await cluster.fault(replica, "503", retry_after="2")
    for reply in (await cluster.all_ways(*SEARCHES, deadline=1.5)).values():
        assert_failed(reply, 503, "backend_overloaded")
        assert reply.seconds < 1.5


async def test_a_pool_that_only_fails_is_an_error_at_once(cluster: Cluster) -> None:
    for replica in cluster.replicas:
        await cluster.fault(replica, "500")
    for reply in (await cluster.all_ways(*SEARCHES)).values():
        assert_failed(reply, 502, "generator_failed")
        assert reply.seconds < 5.0


async def test_a_pool_that_is_silent_is_waited_for_until_the_deadline(cluster: Cluster) -> None:
    for replica in cluster.replicas:
        await cluster.fault(replica, "silence")
    for reply in (await cluster.all_ways(*SEARCHES, deadline=1.5)).values():
        assert_failed(reply, 504, "deadline_exceeded")
        assert 1.0 < reply.seconds < 2.0


async def test_what_has_come_before_the_silence_is_the_answer_at_the_deadline(cluster: Cluster) -> None:
    for replica in cluster.replicas:
        await cluster.fault(replica, "silence", after_chunks=WITHIN)
    before = await cluster.counted()
    replies = await cluster.all_ways(*SEARCHES, deadline=1.5)
    for reply in replies.values():
        assert (reply.status, reply.compute["stopped"], reply.compute["lost"]) == (200, "deadline", 0)
        assert reply.text
        assert reply.seconds < 2.0
    generated = sum(reply.compute["tokens"] for reply in replies.values())
    assert 0 < generated == (await cluster.counted() - before)["tokens"]


def assert_failed(reply: Reply, status: int, code: str) -> None:
    """Assert that the request failed as docs/api.md says, before anything was sent."""
    assert reply.status == status, reply
    assert reply.error, reply
    assert reply.error["code"] == code
