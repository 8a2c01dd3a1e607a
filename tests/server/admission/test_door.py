import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest

from server.admission import Admission, Entry, Shed, Ticket


class Guest:
    """A request that stays inside until it is told to leave."""

    def __init__(self, door: Admission, ticket: Ticket) -> None:
        self.entry: Entry | None = None
        self._leave = asyncio.Event()
        self.task = asyncio.create_task(self._visit(door, ticket))

    async def _visit(self, door: Admission, ticket: Ticket) -> None:
        async with door.enter(ticket) as self.entry:
            await self._leave.wait()

    async def leave(self, spent: int | None = None) -> None:
        if spent is not None and self.entry:
            self.entry.spent(spent)
        self._leave.set()
        await self.task


Come = Callable[..., Any]


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def door(capacity: int = 16, requests: int = 100, waiting: int = 100, patience: float = 60.0) -> Admission:
    return Admission(capacity=capacity, requests=requests, waiting=waiting, patience=patience)


@asynccontextmanager
async def visiting(admission: Admission) -> AsyncGenerator[Come]:
    """Bring guests, and see that nothing is left of them."""
    guests: list[Guest] = []

    async def come(samples: int = 1, key: str = "a", priority: int = 1, kind: str = "k", least: int = 1) -> Guest:
        guests.append(Guest(admission, Ticket(kind, key, samples, least, priority)))
        await settle()
        return guests[-1]

    try:
        yield come
    finally:
        for guest in guests:
            guest.task.cancel()
        await asyncio.gather(*(g.task for g in guests), return_exceptions=True)
    assert (admission.load, admission.running, admission.waiting) == (0, 0, 0)


def samples(*guests: Guest) -> list[int | None]:
    return [g.entry.samples if g.entry else None for g in guests]


async def test_who_finds_room_enters_at_once_with_all_it_asked() -> None:
    admission = door()
    async with visiting(admission) as come:
        guest = await come(8)
        assert samples(guest) == [8]
        assert (admission.load, admission.running, admission.waiting, admission.capacity) == (8, 1, 0, 16)
        assert guest.entry.waited < 1


async def test_near_the_limit_each_gets_half_of_what_is_free_and_its_least_at_least() -> None:
    async with visiting(door(16)) as come:
        guests = [await come(16, least=2) for _ in range(5)]
        assert samples(*guests) == [8, 4, 2, 2, None]


async def test_what_is_free_again_is_handed_over_in_order() -> None:
    async with visiting(door(4, requests=2)) as come:
        first, second, third, fourth = [await come() for _ in range(4)]
        assert samples(third, fourth) == [None, None]
        await second.leave()
        await settle()
        assert samples(third, fourth) == [1, None]
        await first.leave()
        await settle()
        assert samples(fourth) == [1]


async def test_a_small_request_does_not_overtake_a_large_one() -> None:
    async with visiting(door(8)) as come:
        holder = await come(8)
        large = await come(8, least=6)
        small = await come(1)
        assert samples(holder, large, small) == [4, None, None]
        await holder.leave()
        await settle()
        assert samples(large, small) == [6, 1]


async def test_a_request_larger_than_the_house_goes_alone() -> None:
    async with visiting(door(4)) as come:
        other = await come(1)
        giant = await come(9, least=9)
        assert samples(giant) == [None]
        await other.leave()
        await settle()
        assert samples(giant) == [9]
        assert samples(await come(1)) == [None]


async def test_a_key_that_floods_does_not_starve_another() -> None:
    async with visiting(door(1)) as come:
        holder = await come(key="flood")
        flood = [await come(key="flood") for _ in range(20)]
        other = [await come(key="other") for _ in range(3)]
        order: list[str] = []
        inside = holder
        for _ in range(6):
            await inside.leave()
            await settle()
            inside = next(g for g in (*flood, *other) if g.entry and not g.task.done())
            order.append("other" if inside in other else "flood")
        assert order == ["flood", "other", "flood", "other", "flood", "other"]


async def test_keys_share_compute_and_not_requests() -> None:
    async with visiting(door(4)) as come:
        holder = await come(4, least=4)
        large = [await come(4, key="large", least=4) for _ in range(4)]
        small = [await come(1, key="small") for _ in range(8)]
        for step in (holder, large[0]):
            await step.leave()
            await settle()
        assert samples(*small) == [1, 1, 1, 1, *[None] * 4]
        assert samples(*large[1:]) == [None] * 3


async def test_a_higher_priority_goes_first() -> None:
    async with visiting(door(1)) as come:
        holder = await come()
        low, normal, high = [await come(priority=p) for p in (2, 1, 0)]
        for guest in (holder, high):
            await guest.leave()
            await settle()
        assert samples(low, normal) == [None, 1]


async def test_who_has_waited_too_long_is_turned_away() -> None:
    admission = door(1, patience=0.01)
    async with visiting(admission) as come:
        await come()
        with pytest.raises(Shed) as shed:
            await (await come()).task
        assert shed.value.reason == "queue_time"
        assert 1 <= shed.value.retry_after <= 60
        assert admission.waiting == 0


async def test_who_gives_up_makes_way_for_those_behind() -> None:
    async with visiting(door(8)) as come:
        await come(8)
        large = await come(8, least=8)
        small = await come(1)
        assert samples(small) == [None]
        large.task.cancel()
        await settle()
        assert samples(small) == [1]


async def test_a_full_queue_turns_away_at_once() -> None:
    async with visiting(door(1, waiting=1)) as come:
        await come()
        waiting = await come()
        with pytest.raises(Shed) as shed:
            await (await come()).task
        assert shed.value.reason == "queue_full"
        assert not waiting.task.done()


async def test_without_a_queue_whoever_fits_enters() -> None:
    async with visiting(door(1, waiting=0)) as come:
        first = await come()
        second = await come()
        assert samples(first, second) == [1, None]
        assert isinstance(second.task.exception(), Shed)


async def test_in_a_full_queue_a_higher_priority_displaces_the_newest_of_the_lowest() -> None:
    async with visiting(door(1, waiting=3)) as come:
        await come()
        old, new = await come(priority=2), await come(priority=2)
        normal, high = await come(priority=1), await come(priority=0)
        assert [g.task.done() for g in (old, new, normal, high)] == [False, True, False, False]
        error = new.task.exception()
        assert isinstance(error, Shed)
        assert error.reason == "queue_full"


async def test_in_a_full_queue_the_key_with_the_most_makes_room_for_another() -> None:
    async with visiting(door(1, waiting=3)) as come:
        await come()
        flood = [await come(key="flood") for _ in range(3)]
        other, again, third = [await come(key="other") for _ in range(3)]
        assert [g.task.done() for g in flood] == [False, False, True]
        assert [g.task.done() for g in (other, again, third)] == [False, True, True]


async def test_a_request_counts_for_what_its_kind_was_seen_to_use() -> None:
    admission = door(64)
    async with visiting(admission) as come:
        for _ in range(60):
            await (await come(16, kind="easy")).leave(spent=4)
        easy = await come(16, kind="easy")
        assert samples(easy) == [16]
        assert admission.load == 5  # a quarter of 16, and a little that the first guess left
        unknown = await come(16, kind="other")
        assert samples(unknown) == [16]
        assert admission.load == 21


async def test_nothing_is_learnt_from_a_request_that_does_not_say() -> None:
    admission = door(64)
    async with visiting(admission) as come:
        await (await come(16)).leave()
        await come(16)
        assert admission.load == 16


async def test_one_that_is_cancelled_as_its_turn_comes_passes_it_on() -> None:
    async with visiting(door(1)) as come:
        holder, second, third = [await come() for _ in range(3)]
        second.task.cancel()  # it has not heard of it yet when the place becomes free
        holder._leave.set()  # pyright: ignore[reportPrivateUsage]
        await asyncio.wait([holder.task])
        await settle()
        assert second.task.cancelled()
        assert samples(third) == [1]


async def test_one_that_was_let_in_and_cancelled_before_it_woke_leaves_its_place() -> None:
    admission = door(1)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(admission.enter(Ticket("k", "a", 1)))
        waiting = asyncio.create_task(_pass(admission))
        await settle()
        await stack.aclose()
        assert (admission.running, waiting.done()) == (1, False)  # handed over, not yet awake
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    assert (admission.load, admission.running) == (0, 0)


async def test_one_that_was_turned_away_and_cancelled_before_it_woke_is_gone_once() -> None:
    admission = door(1, waiting=1)
    async with visiting(admission) as come:
        await come()
        waiting = asyncio.create_task(_pass(admission))
        await settle()
        with pytest.raises(Shed):
            async with admission.enter(Ticket("k", "a", 1)):
                raise AssertionError
        higher = asyncio.create_task(_pass(admission, priority=0))
        await asyncio.sleep(0)
        waiting.cancel()
        await settle()
        assert waiting.cancelled()
        assert admission.waiting == 1
        higher.cancel()
        await asyncio.wait([higher])


async def _pass(admission: Admission, priority: int = 1) -> None:
    async with admission.enter(Ticket("k", "a", 1, 1, priority)):
        pass


async def test_the_wait_is_told_in_seconds_of_the_clock() -> None:
    now = [100.0]
    admission = Admission(capacity=1, requests=1, waiting=9, patience=60, clock=lambda: now[0])
    async with visiting(admission) as come:
        holder, waiter = await come(), await come()
        now[0] += 2.5
        await holder.leave()
        await settle()
        assert waiter.entry.waited == 2.5


@pytest.mark.parametrize("fields", [{"samples": 0}, {"samples": 2, "least": 3}, {"least": 0}, {"priority": 3}])
def test_a_ticket_that_makes_no_sense_is_refused(fields: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must be"):
        Ticket("k", "a", **{"samples": 1, **fields})
