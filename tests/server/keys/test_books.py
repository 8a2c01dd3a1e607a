"""Both kinds of books against an account kept by hand: alike, never overspent, and true when all is settled."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from server.keys import Exhausted, Key, LocalQuota, Quota, RedisQuota, Reservation

from .made import Clock, key
from .redis_server import RedisServer, needs_redis

MIDNIGHT = 20_500 * 86400.0


@dataclass
class Entry:
    """A request that was let in; `charge` is what it has to cost now."""

    day: int
    minute: int
    charge: int
    reservations: tuple[Reservation, ...]
    gateway: RedisQuota
    settled: bool = False

    def lose(self) -> None:
        self.settled, self.reservations = True, ()


def bound(most: int) -> st.SearchStrategy[int | None]:
    return st.none() | st.integers(1, most)


class Books(RuleBasedStateMachine):
    """The same requests to a local quota and to one of two gateways that share a Redis."""

    server: RedisServer

    @initialize(
        requests=st.tuples(bound(6), bound(9)),
        compute=st.tuples(bound(300), bound(600)),
        start=st.sampled_from([0.0, 59.5, 3600.0, 86399.0, 86338.0]),
    )
    def begin(self, requests: tuple[Any, Any], compute: tuple[Any, Any], start: float) -> None:
        self.runner = asyncio.Runner()
        self.clock = Clock(MIDNIGHT + start)
        self.key = key(
            requests_per_minute=requests[0],
            requests_per_day=requests[1],
            compute_per_minute=compute[0],
            compute_per_day=compute[1],
        )
        self.local = LocalQuota(self.clock)
        self.gateways = [self.gateway(), self.gateway()]
        self.entries = list[Entry]()

    def gateway(self) -> RedisQuota:
        return self.server.books(self.clock)

    def used(self) -> tuple[int, int, int, int]:
        """A clock that goes back opens no window again."""
        self.day = max([int(self.clock.now // 86400), *(e.day for e in self.entries)])
        self.minute = max([int(self.clock.now // 60), *(e.minute for e in self.entries)])
        today = [e for e in self.entries if e.day == self.day]
        now = [e for e in self.entries if e.minute == self.minute]
        return len(today), sum(e.charge for e in today), len(now), sum(e.charge for e in now)

    @rule(ask=st.integers(1, 400), share=st.floats(0, 1), at=st.integers(0, 1))
    def reserve(self, ask: int, share: float, at: int) -> None:
        least = max(1, int(ask * share))
        before, limits = self.used(), self.key.limits
        told = [self.ask(quota, ask, least) for quota in (self.local, self.gateways[at])]
        bounds = (
            limits.requests_per_day,
            limits.compute_per_day,
            limits.requests_per_minute,
            limits.compute_per_minute,
        )
        left = [None if limit is None else limit - used for limit, used in zip(bounds, before, strict=True)]
        needed = (1, least, 1, least)
        refused = any(have is not None and have < need for have, need in zip(left, needed, strict=True))
        first, second = told
        assert isinstance(first, Exhausted) is isinstance(second, Exhausted) is refused
        if isinstance(first, Exhausted) and isinstance(second, Exhausted):
            assert vars(first) == pytest.approx(vars(second), abs=1e-3)
            return
        assert isinstance(first, Reservation)
        assert isinstance(second, Reservation)
        assert (first.granted, first.remaining) == (second.granted, second.remaining)
        compute = [have for have in (left[1], left[3]) if have is not None]
        charge = 0
        if compute and limits.bounded:
            charge = ask if 2 * ask <= min(compute) else max(least, min(compute) // 2)
            assert least <= charge <= ask
        assert first.granted == (charge if compute else None)
        if limits.bounded:  # the use of other keys is not counted
            self.entries.append(Entry(self.day, self.minute, charge, (first, second), self.gateways[at], not compute))
        for used, limit in zip(self.used(), bounds, strict=True):
            assert limit is None or used <= limit

    def ask(self, quota: Quota, ask: int, least: int) -> Reservation | Exhausted:
        try:
            return self.runner.run(quota.reserve(self.key, ask, least))
        except Exhausted as refusal:
            return refusal

    @rule(which=st.integers(0, 20), share=st.sampled_from([0.0, 0.3, 1.0, 1.0, 1.4]), times=st.integers(1, 2))
    def settle(self, which: int, share: float, times: int) -> None:
        """Less than was granted, all of it, or more: a backend overran."""
        if not self.entries:
            return
        entry = self.entries[which % len(self.entries)]
        spent = int(entry.charge * share)
        for reservation in entry.reservations:
            for _ in range(times):
                self.runner.run(reservation.settle(spent))
        if not entry.settled:
            entry.charge, entry.settled = spent, True

    @rule(which=st.integers(0, 20))
    def lose(self, which: int) -> None:
        """A request whose gateway died: its charge stays until the window has passed."""
        if self.entries:
            self.entries[which % len(self.entries)].lose()

    @rule(at=st.integers(0, 1))
    def crash(self, at: int) -> None:
        """A gateway that comes back knows nothing; what it had under way is still charged."""
        for entry in self.entries:
            if entry.gateway is self.gateways[at]:
                entry.lose()
        self.runner.run(self.gateways[at].aclose())
        self.gateways[at] = self.gateway()

    @rule(seconds=st.sampled_from([0.5, 7.0, 30.0, 61.0, 3600.0, 86400.0, -30.0, -90.0]))
    def wait(self, seconds: float) -> None:
        self.clock.now += seconds

    @invariant()
    def the_books_are_true(self) -> None:
        """What is charged in the windows of the last request is what its requests took, or have set aside."""
        if not self.entries:
            return
        used, (day, minute) = self.used(), (self.entries[-1].day, self.entries[-1].minute)
        if (day, minute) == (self.day, self.minute):
            assert self.local.used(self.key) == used
            assert self.server.used(self.key.id) == used

    def teardown(self) -> None:
        if not hasattr(self, "runner"):
            return
        with self.runner:
            for gateway in self.gateways:
                self.runner.run(gateway.aclose())


@needs_redis
def test_both_kinds_of_books_agree_with_an_account_kept_by_hand(redis_server: RedisServer):
    Books.server = redis_server
    checks = [HealthCheck.too_slow, HealthCheck.data_too_large]
    run_state_machine_as_test(
        Books, settings=settings(max_examples=60, stateful_step_count=25, deadline=None, suppress_health_check=checks)
    )


# Many at once


@dataclass
class Crowd:
    """Requests that all come at the same moment."""

    key: Key
    seed: int
    granted: int = 0
    spent: int = 0
    let_in: int = 0
    refused: int = 0

    async def come(self, quota: Quota, number: int) -> None:
        """Reserve, work a little, settle; some clients leave in between, some gateways die."""
        rng = Random(self.seed * 1000 + number)
        ask = rng.randrange(1, 2000)
        task = asyncio.create_task(quota.reserve(self.key, ask, max(1, ask // 8)))
        if rng.random() < 0.2:
            await asyncio.sleep(0)
            task.cancel()
        try:
            reservation = await task
        except Exhausted:
            self.refused += 1
            return
        granted = reservation.granted or 0
        self.let_in += 1
        self.granted += granted
        for _ in range(rng.randrange(3)):
            await asyncio.sleep(0)
        if rng.random() < 0.1:
            self.spent += granted
            return
        spent = rng.randrange(granted + 1)
        self.spent += spent
        settling = asyncio.create_task(reservation.settle(spent))
        if rng.random() < 0.3:
            await asyncio.sleep(0)
            settling.cancel()
        with suppress(asyncio.CancelledError):
            await settling

    async def all(self, quotas: list[Quota], count: int = 64) -> None:
        """Come at once, shared out over the gateways, and wait until nothing is under way."""
        tasks = [asyncio.create_task(self.come(quotas[n % len(quotas)], n)) for n in range(count)]
        await asyncio.wait(tasks)
        for task in tasks:
            if not task.cancelled():
                task.result()
        for quota in quotas:
            await quota.aclose()


LIMITS = {"requests_per_minute": 40, "compute_per_minute": 20_000, "compute_per_day": 15_000}


@given(seed=st.integers(0, 10**6))
@settings(max_examples=30, deadline=None)
def test_sixty_four_requests_at_once_never_overspend_and_what_they_leave_is_what_they_took(seed: int):
    crowd, quota = Crowd(key(**LIMITS), seed), LocalQuota(Clock(MIDNIGHT))
    asyncio.run(crowd.all([quota]))
    requests, compute, *_ = quota.used(crowd.key)
    assert compute == crowd.spent <= 15_000
    assert crowd.let_in <= requests <= 40
    assert crowd.let_in > 0


@needs_redis
@given(seed=st.integers(0, 10**6))
@settings(max_examples=15, deadline=None)
def test_two_gateways_share_one_quota(redis_server: RedisServer, seed: int):
    crowd = Crowd(key(**LIMITS), seed)

    async def go() -> None:
        await crowd.all([redis_server.books(Clock(MIDNIGHT)) for _ in range(2)])

    asyncio.run(go())
    requests, compute, *_ = redis_server.used(crowd.key.id)
    assert compute == crowd.spent <= 15_000
    assert crowd.let_in <= requests <= 40
    assert crowd.let_in > 0
