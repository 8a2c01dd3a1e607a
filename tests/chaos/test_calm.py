"""Nothing fails: what the other files compare with."""

from .cluster import SAMPLES, SEARCHES, VOTES, Cluster, assert_answered


async def test_a_vote_generates_exactly_as_many_samples_as_it_asks_for(cluster: Cluster) -> None:
    before = await cluster.counted()
    assert_answered(await cluster.all_ways(*VOTES))
    counted = await cluster.counted() - before
    assert counted["started"] == counted["finished"] == 2 * len(VOTES) * SAMPLES


async def test_searches_are_charged_what_was_generated_for_them(cluster: Cluster) -> None:
    before = await cluster.counted()
    replies = await cluster.all_ways(*SEARCHES)
    counted = await cluster.counted() - before
    assert_answered(replies)
    assert counted["tokens"] == sum(reply.compute["tokens"] for reply in replies.values())
    assert counted["aborted"] == 0
