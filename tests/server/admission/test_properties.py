"""Whatever comes, leaves, gives up and in which order: nothing leaks, nothing exceeds, nobody is passed over."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from server.admission import Admission, Entry, Shed, Ticket

from ..prm import virtual

CAPACITY, REQUESTS, WAITING, PATIENCE = 16, 5, 4, 10.0

tickets = st.builds(
    lambda kind, key, least, more, priority: Ticket(kind, key, least + more, least, priority),
    st.sampled_from("xyz"),
    st.sampled_from("abc"),
    st.integers(1, 6),
    st.integers(0, 14),
    st.integers(0, 2),
)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("come"), tickets),
        st.tuples(st.just("come and be cancelled"), tickets),
        st.tuples(st.sampled_from(["leave", "cancel", "cancel in turn"]), st.integers(0, 50)),
        st.tuples(st.just("wait"), st.integers(0, 12)),
    ),
    max_size=60,
)


@dataclass(eq=False)
class Guest:
    ticket: Ticket
    number: int
    leave: asyncio.Event = field(default_factory=asyncio.Event)
    entry: Entry | None = None
    shed: Shed | None = None
    task: asyncio.Task[None] | None = None

    @property
    def waits(self) -> bool:
        return self.entry is None and self.task is not None and not self.task.done()

    @property
    def inside(self) -> bool:
        return self.entry is not None and self.task is not None and not self.task.done()


class House:
    def __init__(self) -> None:
        self.door = Admission(capacity=CAPACITY, requests=REQUESTS, waiting=WAITING, patience=PATIENCE)
        self.guests: list[Guest] = []

    def come(self, ticket: Ticket) -> Guest:
        guest = Guest(ticket, len(self.guests))
        self.guests.append(guest)
        guest.task = asyncio.create_task(self._visit(guest))
        return guest

    async def _visit(self, guest: Guest) -> None:
        try:
            async with self.door.enter(guest.ticket) as entry:
                guest.entry = entry
                self._may_enter(guest)
                await guest.leave.wait()
                entry.spent(guest.number % (entry.samples + 1))
        except Shed as shed:
            guest.shed = shed

    def _may_enter(self, guest: Guest) -> None:
        assert guest.entry is not None
        assert guest.ticket.least <= guest.entry.samples <= guest.ticket.samples
        passed = [g for g in self.guests if g.waits and g.number < guest.number]
        assert not [g for g in passed if g.ticket.priority < guest.ticket.priority]
        own = (guest.ticket.key, guest.ticket.priority)
        assert own not in [(g.ticket.key, g.ticket.priority) for g in passed]

    async def do(self, what: str, about: Ticket | int) -> None:
        if isinstance(about, Ticket):
            guest = self.come(about)
            if what != "come" and guest.task:
                await asyncio.sleep(0)
                guest.task.cancel()
        elif what == "wait":
            await asyncio.sleep(about)
        elif chosen := [g for g in self.guests if (g.inside if what == "leave" else g.inside or g.waits)]:
            self._end(chosen[about % len(chosen)], what)
        await settle()

    def _end(self, guest: Guest, what: str) -> None:
        if what == "leave":
            guest.leave.set()
        elif guest.task:
            if what == "cancel in turn":  # in the same turn of the loop as a place becomes free
                for other in [g for g in self.guests if g.inside][:1]:
                    other.leave.set()
            guest.task.cancel()

    def holds(self) -> None:
        inside = [g.entry for g in self.guests if g.inside and g.entry]
        waiting = [g for g in self.guests if g.waits]
        assert self.door.load == sum(e.weight for e in inside) <= CAPACITY
        assert self.door.running == len(inside) <= REQUESTS
        assert self.door.waiting == len(waiting) <= WAITING
        assert inside or not waiting, "a free house, and somebody waits"
        for guest in self.guests:
            assert guest.shed is None or 1 <= guest.shed.retry_after <= 60


async def settle() -> None:
    for _ in range(6):
        await asyncio.sleep(0)


@settings(max_examples=300, deadline=None)
@given(steps)
def test_nothing_leaks_exceeds_or_is_passed_over(played: list[tuple[str, Ticket | int]]) -> None:
    async def play() -> None:
        house = House()
        for what, about in played:
            await house.do(what, about)
            house.holds()
        for guest in house.guests:
            guest.leave.set()
        await asyncio.gather(*(g.task for g in house.guests if g.task), return_exceptions=True)
        assert (house.door.load, house.door.running, house.door.waiting) == (0, 0, 0)
        for guest in house.guests:
            failed = None if not guest.task or guest.task.cancelled() else guest.task.exception()
            assert failed is None, failed

    virtual.run(play())


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.sampled_from("abcd"), st.lists(st.integers(1, 8), min_size=30, max_size=30), min_size=2))
def test_keys_that_all_wait_get_the_same_compute(wanted: dict[str, list[int]]) -> None:
    """However large their requests are: the difference is never more than one request of each of two keys."""

    async def play() -> None:
        door = Admission(capacity=8, requests=8, waiting=1000, patience=3600)
        had = Counter[str](dict.fromkeys(wanted, 0))
        left = Counter({key: len(sizes) for key, sizes in wanted.items()})

        async def visit(key: str, samples: int) -> None:
            async with door.enter(Ticket("k", key, samples, samples)):
                had[key] += samples
                left[key] -= 1
                if all(left.values()):
                    assert max(had.values()) - min(had.values()) <= 16
                await asyncio.sleep(1)

        async with door.enter(Ticket("k", "holder", 8, 8)):
            tasks = [asyncio.create_task(visit(key, size)) for key, sizes in wanted.items() for size in sizes]
            await settle()
        await asyncio.gather(*tasks)
        assert door.load == 0

    virtual.run(play())
