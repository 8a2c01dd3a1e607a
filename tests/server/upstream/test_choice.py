"""Affinity and bounded loads, as properties."""

from random import Random

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from server.upstream import PoolOptions, Replica
from server.upstream.choice import pick, preference

pools = st.integers(1, 12).map(lambda k: [Replica(f"http://10.0.0.{i}:8000") for i in range(k)])
keys = st.binary(min_size=1, max_size=32)


def loaded(replicas: list[Replica], loads: list[int]) -> list[Replica]:
    for replica, load in zip(replicas, loads, strict=False):
        replica.load = load
    return replicas


@settings(deadline=None)
@given(pools, keys, st.randoms(use_true_random=False))
def test_a_key_always_prefers_the_same_replica_whatever_their_order(replicas: list[Replica], key: bytes, order: Random):
    shuffled = replicas.copy()
    order.shuffle(shuffled)
    assert pick(replicas, key, 1, PoolOptions(), Random(1)) is pick(shuffled, key, 1, PoolOptions(), Random(2))


@settings(deadline=None)
@given(pools, st.lists(keys, min_size=1), st.data())
def test_only_the_keys_of_a_replica_that_leaves_move(
    replicas: list[Replica], questions: list[bytes], data: st.DataObject
):
    assume(len(replicas) > 1)
    gone = data.draw(st.sampled_from(replicas))
    rest = [replica for replica in replicas if replica is not gone]
    for key in questions:
        before = pick(replicas, key, 1, PoolOptions(), Random(1))
        after = pick(rest, key, 1, PoolOptions(), Random(1))
        assert after is before if before is not gone else after is preference(key, replicas)[1]


@settings(deadline=None)
@given(pools, st.lists(keys, min_size=1))
def test_a_replica_that_joins_takes_keys_only_for_itself(replicas: list[Replica], questions: list[bytes]):
    new = Replica("http://10.0.1.1:8000")
    for key in questions:
        after = pick([*replicas, new], key, 1, PoolOptions(), Random(1))
        assert after in (new, pick(replicas, key, 1, PoolOptions(), Random(1)))


def test_the_keys_spread_evenly():
    replicas = [Replica(f"http://10.0.0.{i}:8000") for i in range(4)]
    firsts = [preference(str(key).encode(), replicas)[0] for key in range(2000)]
    assert all(400 <= firsts.count(replica) <= 600 for replica in replicas)


@settings(deadline=None)
@given(pools, keys, st.integers(1, 64), st.lists(st.integers(0, 300), min_size=12, max_size=12))
def test_loads_stay_bounded_and_the_bound_is_the_only_reason_to_spill(
    replicas: list[Replica], key: bytes, samples: int, loads: list[int]
):
    options = PoolOptions(slots=64, spill=1.25)
    loaded(replicas, loads)
    bound = max(64, 1.25 * (sum(replica.load for replica in replicas) + samples) / len(replicas))
    chosen = pick(replicas, key, samples, options, Random(1))
    if any(replica.load + samples <= bound for replica in replicas):
        assert chosen.load + samples <= bound or len(replicas) == 1
        first = next(r for r in preference(key, replicas) if r.load + samples <= bound or len(replicas) == 1)
        assert chosen is first
    else:
        assert chosen.load == min(replica.load for replica in replicas)


@settings(deadline=None)
@given(st.lists(st.tuples(keys, st.integers(1, 16)), max_size=200))
def test_a_run_of_calls_never_loads_a_replica_beyond_the_bound(calls: list[tuple[bytes, int]]):
    replicas = [Replica(f"http://10.0.0.{i}:8000") for i in range(4)]
    options = PoolOptions(slots=8, spill=1.25)
    for key, samples in calls:
        chosen = pick(replicas, key, samples, options, Random(1))
        chosen.load += samples
        mean = sum(replica.load for replica in replicas) / 4
        # The mean is the least any rule can do; a call is one piece of at most 16 samples.
        assert chosen.load <= max(8, 1.25 * mean, mean + 16)


@settings(deadline=None)
@given(pools, keys, st.lists(st.integers(0, 300), min_size=12, max_size=12), st.integers())
def test_without_affinity_the_least_loaded_is_asked(replicas: list[Replica], key: bytes, loads: list[int], seed: int):
    loaded(replicas, loads)
    chosen = pick(replicas, key, 1, PoolOptions(affinity=False), Random(seed))
    assert chosen.load == min(replica.load for replica in replicas)


def test_without_affinity_ties_are_broken_at_random_and_repeatably():
    replicas = [Replica(f"http://10.0.0.{i}:8000") for i in range(3)]

    def picks(seed: int) -> list[Replica]:
        random = Random(seed)
        return [pick(replicas, b"key", 1, PoolOptions(affinity=False), random) for _ in range(50)]

    assert set(picks(1)) == set(replicas)
    assert picks(1) == picks(1) != picks(2)
