import asyncio
import weakref
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.prm.batching import Batcher, BatchLimits, Closed, QueueFull
from server.prm.ports import HostError, Passage, Reading

from .fakes import Ear, FakeHost, number
from .virtual import run

LIMITS = BatchLimits(items=4, tokens=100, wait=1.0, queue_tokens=1000, lanes=1, read_seconds=60.0)
POISON = 251


def passage(*tokens: int) -> Passage:
    return Passage(tokens, (len(tokens) - 1,), ((0, 1),))


def of_length(length: int, mark: int = 0) -> Passage:
    return passage(*[mark] * length)


def right(reading: Reading | HostError, asked: Passage) -> bool:
    return isinstance(reading, Reading) and np.allclose(reading.values, [[number(asked, r)] for r in asked.reads])


@dataclass
class Bench:
    batcher: Batcher
    host: FakeHost
    ear: Ear

    async def ask(self, *passages: Passage) -> list[Reading | HostError]:
        readings = await self.batcher.read(passages)
        assert len(readings) == len(passages)
        return readings

    def begin(self, *passages: Passage) -> "asyncio.Task[list[Reading | HostError]]":
        return asyncio.create_task(self.ask(*passages))

    async def __aenter__(self) -> "Bench":
        self.batcher.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.batcher.aclose()


def bench(limits: BatchLimits = LIMITS, host: FakeHost | None = None) -> Bench:
    host, ear = host or FakeHost(), Ear()
    return Bench(Batcher(host, limits, ear), host, ear)


def sizes(host: FakeHost) -> list[list[int]]:
    return [[len(p.tokens) for p in batch] for batch in host.batches]


def now() -> float:
    return asyncio.get_running_loop().time()


def test_a_lone_passage_is_read_when_it_has_waited_long_enough() -> None:
    async def main() -> None:
        async with bench() as b:
            asked = passage(1, 2, 3)
            (reading,) = await b.ask(asked)
            assert right(reading, asked)
            assert now() == pytest.approx(1.0)

    run(main())


def test_a_full_batch_does_not_wait() -> None:
    async def main() -> None:
        async with bench() as b:
            asked = [passage(i) for i in range(4)]
            readings = await b.ask(*asked)
            assert all(map(right, readings, asked))
            assert now() == 0.0
            assert b.ear.read_ == [(4, 4, 0.0, 0.0)]

    run(main())


def test_requests_that_come_together_share_a_batch_and_each_gets_its_own() -> None:
    async def main() -> None:
        async with bench() as b:
            first = b.begin(passage(1), passage(2, 2, 2))
            await asyncio.sleep(0.5)
            second = b.begin(passage(3, 3))
            for task, asked in ((first, [passage(1), passage(2, 2, 2)]), (second, [passage(3, 3)])):
                assert all(map(right, await task, asked))
            assert sizes(b.host) == [[1, 2, 3]]  # shortest first
            assert now() == pytest.approx(1.0)  # the oldest waits no longer for the younger

    run(main())


def test_a_batch_holds_the_oldest_and_those_of_its_length() -> None:
    async def main() -> None:
        async with bench(host=FakeHost(seconds=10.0)) as b:
            blocker = b.begin(of_length(60))  # more than half of a batch: it is read alone
            await asyncio.sleep(2.0)
            rest = b.begin(*[of_length(n, n) for n in (10, 40, 11, 41, 12, 9)])
            await asyncio.gather(blocker, rest)
            assert sizes(b.host) == [[60], [9, 10, 11, 12], [40, 41]]

    run(main())


def test_padding_counts_against_the_tokens_of_a_batch() -> None:
    async def main() -> None:
        async with bench(replace(LIMITS, items=100)) as b:
            readings = await b.ask(*[of_length(n, n) for n in (40, 1, 2, 3, 39)])
            assert len(readings) == 5
            assert all(len(batch) * max(batch) <= 100 for batch in sizes(b.host))

    run(main())


def test_a_passage_larger_than_a_batch_goes_alone() -> None:
    async def main() -> None:
        async with bench() as b:
            asked = [of_length(150), of_length(149, 1)]
            assert all(map(right, await b.ask(*asked), asked))
            assert sorted(sizes(b.host)) == [[149], [150]]

    run(main())


def test_equal_passages_are_computed_once_and_told_to_all() -> None:
    async def main() -> None:
        async with bench() as b:
            same = passage(5, 6, 7)
            readings = await b.ask(same, passage(1), same, same)
            assert all(map(right, readings, [same, passage(1), same, same]))
            assert sorted(r.computed for r in readings if isinstance(r, Reading)) == [0, 0, 1, 3]
            assert len(b.host.batches[0]) == 2

    run(main())


def test_a_full_queue_refuses_and_queues_nothing() -> None:
    async def main() -> None:
        async with bench(host=FakeHost(seconds=10.0)) as b:
            blocker = b.begin(of_length(100))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            waiting = b.begin(*[of_length(99, i) for i in range(10)])
            await asyncio.sleep(0)
            with pytest.raises(QueueFull):
                await b.ask(passage(1), of_length(20))
            assert b.ear.waiting == (10, 990)
            small = b.begin(of_length(10))
            await asyncio.gather(blocker, waiting, small)
            assert b.ear.waiting == (0, 0)

    run(main())


def test_a_request_larger_than_the_queue_is_taken_when_nothing_waits() -> None:
    async def main() -> None:
        async with bench() as b:
            asked = [of_length(100, i) for i in range(20)]
            assert all(map(right, await b.ask(*asked), asked))

    run(main())


def test_a_caller_that_leaves_takes_its_passages_along() -> None:
    async def main() -> None:
        async with bench(host=FakeHost(seconds=10.0)) as b:
            stays = b.begin(of_length(100))
            await asyncio.sleep(1.0)
            leaves, waits = b.begin(passage(1), passage(2)), b.begin(passage(3))
            await asyncio.sleep(1.0)
            leaves.cancel()
            await asyncio.wait([leaves])
            assert b.ear.waiting == (1, 1)
            await asyncio.gather(stays, waits)
            assert sizes(b.host) == [[100], [1]]

    run(main())


def test_a_caller_that_leaves_while_its_batch_is_read_does_not_harm_the_others() -> None:
    async def main() -> None:
        async with bench(host=FakeHost(seconds=10.0)) as b:
            leaves, stays = b.begin(passage(1)), b.begin(passage(2))
            await asyncio.sleep(5.0)
            leaves.cancel()
            assert right((await stays)[0], passage(2))

    run(main())


def test_a_batch_that_everybody_has_left_ends_at_once_and_the_next_one_begins() -> None:
    async def main() -> None:
        async with bench(host=FakeHost(seconds=50.0)) as b:
            leave = [b.begin(passage(1), passage(2, 2)), b.begin(passage(1))]
            await asyncio.sleep(2.0)
            stays = b.begin(passage(3))
            for task in leave:
                assert b.host.busy == 1
                task.cancel()
                await asyncio.wait([task])
            assert right((await stays)[0], passage(3))
            assert now() == pytest.approx(53.0)  # after its wait for company
            assert b.host.busiest == 1
            assert b.ear.failures == 0

    run(main())


def test_a_host_that_computes_a_beginning_once_gets_its_passages_together() -> None:
    async def main() -> None:
        siblings = [Passage((*range(90), i), (90,), ((0, 1),)) for i in range(100, 104)]
        for shared, batches in ((False, [1, 1, 1, 1]), (True, [4])):
            async with bench(replace(LIMITS, shared=shared)) as b:
                assert all(map(right, await b.ask(*siblings), siblings))
                assert [len(batch) for batch in b.host.batches] == batches

    run(main())


def test_passages_that_share_nothing_fill_a_batch_by_their_tokens() -> None:
    async def main() -> None:
        async with bench(replace(LIMITS, shared=True)) as b:
            asked = [of_length(n, n) for n in (39, 40, 41, 20)]
            assert all(map(right, await b.ask(*asked), asked))
            assert sizes(b.host) == [[20, 39, 40], [41]]

    run(main())


def test_a_failed_batch_is_tried_again_without_what_it_had_in_memory() -> None:
    alive = list[weakref.ref[FakeHost]]()

    class Full(FakeHost):
        async def read(self, passages: Sequence[Passage]) -> list[Reading]:
            if len(passages) > 1:
                memory = FakeHost()
                alive.append(weakref.ref(memory))
                raise HostError("no memory")
            assert alive[0]() is None
            return await super().read(passages)

    async def main() -> None:
        async with bench(host=Full()) as b:
            asked = [passage(1), passage(2)]
            assert all(map(right, await b.ask(*asked), asked))

    run(main())


def test_a_wait_that_everybody_has_left_ends_in_nothing() -> None:
    async def main() -> None:
        async with bench() as b:
            leaves = b.begin(passage(1))
            await asyncio.sleep(0.9)
            leaves.cancel()
            await asyncio.sleep(5.0)
            assert b.host.batches == []
            assert right((await b.ask(passage(2)))[0], passage(2))
            assert now() == pytest.approx(6.9)

    run(main())


def test_a_passage_the_model_chokes_on_costs_only_itself() -> None:
    async def main() -> None:
        async with bench(host=FakeHost(poison=POISON)) as b:
            asked = [passage(1), passage(POISON, 1), passage(2), passage(3)]
            readings = await b.ask(*asked)
            assert [isinstance(r, HostError) for r in readings] == [False, True, False, False]
            assert all(right(r, p) for r, p in zip(readings, asked, strict=True) if POISON not in p.tokens)
            assert sizes(b.host) == [[1, 1, 1, 2], [1], [1], [1], [2]]
            assert b.ear.failures == 1

    run(main())


def test_a_caller_that_left_is_not_read_for_again() -> None:
    async def main() -> None:
        async with bench(host=FakeHost(poison=POISON, seconds=10.0)) as b:
            stays, leaves = b.begin(passage(POISON)), b.begin(passage(1, 1))
            await asyncio.sleep(5.0)
            leaves.cancel()
            assert isinstance((await stays)[0], HostError)
            await asyncio.sleep(30.0)
            assert sizes(b.host) == [[1, 2], [1]]

    run(main())


@pytest.mark.parametrize("fault", [RuntimeError("out of memory"), TimeoutError(), HostError("no")])
def test_whatever_fails_in_the_host_is_told_and_the_next_request_is_served(fault: Exception) -> None:
    async def main() -> None:
        async with bench(host=FakeHost(fault=fault)) as b:
            assert [isinstance(r, HostError) for r in await b.ask(passage(1), passage(2))] == [True, True]
            b.host.fault = None
            assert right((await b.ask(passage(1)))[0], passage(1))

    run(main())


def test_a_model_that_takes_too_long_is_given_up() -> None:
    async def main() -> None:
        async with bench(host=FakeHost(seconds=1000.0)) as b:
            (reading,) = await b.ask(passage(1))
            assert "longer than 60 seconds" in str(reading)
            assert now() == pytest.approx(61.0)
            assert b.host.busy == 0
            b.host.seconds = 0.0
            assert right((await b.ask(passage(1)))[0], passage(1))

    run(main())


@pytest.mark.parametrize(
    "wrong",
    [
        [],
        [Reading(np.zeros((2, 1), np.float32), 1)],
        [Reading(np.zeros(1, np.float32), 1)],
        [Reading(np.zeros((1, 1), np.float32), 1)] * 2,
    ],
)
def test_numbers_that_do_not_fit_what_was_asked_are_a_failure(wrong: list[Reading]) -> None:
    class Wrong(FakeHost):
        async def read(self, passages: Sequence[Passage]) -> list[Reading]:
            del passages
            return wrong

    async def main() -> None:
        async with bench(host=Wrong()) as b:
            assert isinstance((await b.ask(passage(1)))[0], HostError)

    run(main())


def test_as_many_batches_as_there_are_lanes_are_read_at_the_same_time() -> None:
    async def main() -> None:
        async with bench(replace(LIMITS, lanes=3, items=1), FakeHost(seconds=10.0)) as b:
            await b.ask(*[passage(i) for i in range(7)])
            assert b.host.busiest == 3
            assert now() == pytest.approx(30.0)

    run(main())


def test_closing_tells_all_who_wait_and_all_who_come() -> None:
    async def main() -> None:
        b = bench(host=FakeHost(seconds=1000.0))
        await b.__aenter__()
        read, waits = b.begin(of_length(100)), asyncio.Event()
        await asyncio.sleep(2.0)
        queued = b.begin(passage(1))
        await asyncio.sleep(0)
        await b.batcher.aclose()
        outcomes = [*await read, *await queued, *await b.ask(passage(3))]
        assert [type(o) for o in outcomes] == [Closed] * 3
        assert b.batcher.queued == b.host.busy == 0
        assert not waits.is_set()

    run(main())


def test_closing_what_was_never_started_is_no_fault() -> None:
    run(bench().batcher.aclose())


def test_nothing_is_nothing() -> None:
    async def main() -> None:
        async with bench() as b:
            assert await b.ask() == []
            assert now() == 0.0

    run(main())


@dataclass
class Arrival:
    """A request: when it comes, what it asks, and after how long its client leaves (None: it stays)."""

    at: float
    passages: list[Passage]
    leaves_after: float | None


tokens = st.one_of(st.integers(0, 250), st.just(POISON))
passages = st.one_of(
    st.lists(tokens, min_size=1, max_size=12).map(lambda t: passage(*t)),
    st.builds(of_length, st.integers(20, 130), st.integers(0, 3)),
)
arrivals = st.builds(
    Arrival,
    st.floats(0.0, 5.0),
    st.lists(passages, max_size=12),
    st.one_of(st.none(), st.floats(0.0, 3.0)),
)
limits = st.builds(
    BatchLimits,
    items=st.integers(1, 6),
    tokens=st.integers(1, 200),
    wait=st.sampled_from([0.0, 0.01, 1.0]),
    queue_tokens=st.integers(1, 400),
    lanes=st.integers(1, 3),
    read_seconds=st.just(1000.0),
)


class Auditor(FakeHost):
    """Notes every read that breaks the limits; an exception would be taken for a fault of the model."""

    def __init__(self, limits: BatchLimits, seconds: float) -> None:
        super().__init__(seconds=seconds, poison=POISON)
        self.limits = limits
        self.breaches: list[list[int]] = []

    async def read(self, passages: Sequence[Passage]) -> list[Reading]:
        lengths = [len(p.tokens) for p in passages]
        small = len(lengths) <= self.limits.items and len(lengths) * max(lengths) <= self.limits.tokens
        if lengths != sorted(lengths) or not (small or len(lengths) == 1) or self.busy >= self.limits.lanes:
            self.breaches.append(lengths)
        return await super().read(passages)


async def _request(b: Bench, arrival: Arrival, most: int) -> str:
    await asyncio.sleep(arrival.at)
    crowded, size = b.batcher.queued, sum(len(p.tokens) for p in arrival.passages)
    try:
        async with asyncio.timeout(arrival.leaves_after):
            readings = await b.ask(*arrival.passages)
    except TimeoutError:
        return "left"
    except QueueFull:
        assert crowded
        assert crowded + size > most
        return "refused"
    for reading, asked in zip(readings, arrival.passages, strict=True):
        assert isinstance(reading, HostError) if POISON in asked.tokens else right(reading, asked)
    return "served"


@given(st.lists(arrivals, max_size=12), limits, st.sampled_from([0.0, 0.3, 2.0]))
def test_whatever_comes_and_goes_everybody_gets_their_own_and_nothing_is_left(
    requests: list[Arrival], bounds: BatchLimits, seconds: float
) -> None:
    async def main() -> None:
        host = Auditor(bounds, seconds)
        async with bench(bounds, host) as b:
            ends = await asyncio.gather(*(_request(b, r, bounds.queue_tokens) for r in requests))
            stayed = [e for e, r in zip(ends, requests, strict=True) if r.leaves_after is None]
            assert set(stayed) <= {"served", "refused"}
            assert b.batcher.queued == 0
            assert b.ear.waiting == (0, 0)
            await asyncio.sleep(1e6)  # what was under way for those who left has ended
            assert host.busy == 0
            assert host.breaches == []

    run(main())


@given(st.lists(st.integers(1, 120), min_size=1, max_size=30), limits)
def test_the_oldest_is_always_in_the_next_batch(lengths: list[int], bounds: BatchLimits) -> None:
    async def main() -> None:
        asked = [passage(i, *[0] * (length - 1)) for i, length in enumerate(lengths)]  # the first token is the age
        async with bench(replace(bounds, lanes=1), FakeHost(seconds=1.0)) as b:
            await b.ask(*asked)
            left = set(range(len(asked)))
            for batch in b.host.batches:
                ages = {p.tokens[0] for p in batch}
                assert min(left) in ages
                left -= ages
            assert not left

    run(main())
