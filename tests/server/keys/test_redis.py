"""Quotas in Redis when Redis, a gateway or a client goes away."""

import asyncio
import logging
from time import monotonic
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import ReadOnlyError

from server.keys import Exhausted, RedisQuota, Unavailable
from server.keys import shared as module
from server.keys.shared import PREFIX

from .made import Clock, key
from .redis_server import RedisServer, needs_redis

pytestmark = needs_redis


async def refused_in(quota: RedisQuota, limited: Any) -> float:
    start = monotonic()
    with pytest.raises(Unavailable):
        await quota.reserve(limited, 400, 1)
    return monotonic() - start


async def test_the_clock_is_that_of_redis_and_nothing_stays_for_ever(redis_server: RedisServer):
    limited, quota = key(compute_per_minute=1000, requests_per_day=10), redis_server.books()
    try:
        reservation = await quota.reserve(limited, 400, 1)
        seconds, _ = redis_server.client.time()  # pyright: ignore
        assert int(redis_server.account(limited.id)["day"]) == seconds // 86400  # pyright: ignore
        assert 0 < redis_server.client.ttl(PREFIX + limited.id) <= 86460  # pyright: ignore
        await reservation.settle(1)
        assert 0 < redis_server.client.ttl(PREFIX + limited.id) <= 86460  # pyright: ignore
        assert not [name for name in redis_server.account(limited.id) if name.startswith("r:")]
    finally:
        await quota.aclose()


async def test_a_redis_that_is_gone_refuses_and_one_that_is_back_works(
    own_redis: RedisServer, caplog: pytest.LogCaptureFixture
):
    limited, quota = key(compute_per_minute=1000), own_redis.books()
    try:
        await asyncio.gather(*(quota.reserve(limited, 10, 1) for _ in range(20)))
        own_redis.kill()
        await refused_in(quota, limited)
        with pytest.raises(Unavailable):
            await quota.check()
        own_redis.start()
        reservations = await asyncio.gather(*(quota.reserve(limited, 10, 1) for _ in range(20)))
        await quota.check()
        assert [r.granted for r in reservations] == [10] * 20
        assert own_redis.used(limited.id)[1] == 200
    finally:
        await quota.aclose()
    assert [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING] == [
        "Redis does not answer (ConnectionError): keys with limits are refused",
        "Redis answers again",
    ]


async def test_a_redis_that_stalls_refuses_within_a_second_and_charges_nothing_once_it_goes_on(own_redis: RedisServer):
    limited, quota = key(compute_per_day=1000), RedisQuota.from_url(own_redis.url)
    try:
        before = await quota.reserve(limited, 400, 1)
        own_redis.stall()
        took = await asyncio.gather(*(refused_in(quota, limited) for _ in range(40)))
        assert max(took) < 5  # a second, on a machine that has time
        await before.settle(100)
        own_redis.go_on()
        after = await quota.reserve(limited, 10, 1)
        assert after.granted == 10
        await after.settle(5)
    finally:
        await quota.aclose()
    assert own_redis.used(limited.id)[1] == 105
    assert own_redis.client.ttl(PREFIX + limited.id) > 0  # pyright: ignore


async def test_a_reservation_that_comes_after_it_was_given_back_is_refused(redis_server: RedisServer):
    limited, quota = key(compute_per_day=1000), redis_server.books()
    try:
        await quota._book("late", module._Debt(PREFIX + limited.id, 0, void=True))
        assert 0 < redis_server.client.ttl(PREFIX + limited.id) <= 86400  # pyright: ignore
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, "uuid4", lambda: type("", (), {"hex": "late"}))
            await quota.reserve(key(compute_per_day=1000), 10, 1)  # another key has other reservations
            day = redis_server.client.time()[0] // 86400  # pyright: ignore
            redis_server.client.hset(PREFIX + limited.id, "day", day)  # pyright: ignore
            with pytest.raises(Unavailable):
                await quota.reserve(limited, 10, 1)
        await quota._book("late", module._Debt(PREFIX + limited.id, 0, void=True))
        assert redis_server.used(limited.id)[1] == 0
    finally:
        await quota.aclose()


async def test_a_reservation_asked_for_twice_is_made_once(redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch):
    limited, quota = key(compute_per_day=1000), redis_server.books()
    monkeypatch.setattr(module, "uuid4", lambda: type("", (), {"hex": "same"}))
    try:
        assert [(await quota.reserve(limited, 400, 1)).granted for _ in range(3)] == [400, 400, 400]
        assert redis_server.used(limited.id)[:2] == (1, 400)
    finally:
        await quota.aclose()


async def test_a_client_that_leaves_while_it_is_let_in_leaves_no_compute_charged(redis_server: RedisServer):
    limited, quota = key(compute_per_day=1000), redis_server.books()
    await (await quota.reserve(limited, 10, 1)).settle(0)
    tasks = [asyncio.create_task(quota.reserve(limited, 100, 1)) for _ in range(5)]
    tasks.append(asyncio.create_task(quota.reserve(limited, 2000, 1001)))
    await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    assert all(task.cancelled() for task in tasks)
    await quota.aclose()
    assert redis_server.used(limited.id)[:2] == (6, 0)


async def test_a_request_that_was_only_counted_leaves_no_debt(own_redis: RedisServer):
    limited, quota = key(requests_per_minute=1000), own_redis.books()
    own_redis.kill()
    await refused_in(quota, limited)
    assert not quota._owed
    await quota.aclose()
    own_redis.start()


async def test_debts_are_bounded_and_one_that_cannot_be_paid_at_the_end_is_left(
    own_redis: RedisServer, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(module, "_MOST_OWED", 2)
    limited, quota = key(compute_per_day=1000), own_redis.books()
    own_redis.kill()
    for _ in range(3):
        await refused_in(quota, limited)
    assert [debt.void for debt in quota._owed.values()] == [True, True]
    await quota.aclose()
    assert len(quota._owed) == 2
    own_redis.start()


async def test_a_settlement_goes_on_though_its_caller_is_cancelled(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
):
    limited, quota = key(compute_per_day=1000), redis_server.books()
    begun, held, book = asyncio.Event(), asyncio.Event(), quota._book

    async def late(*debt: Any) -> None:
        begun.set()
        await held.wait()
        await book(*debt)

    monkeypatch.setattr(quota, "_book", late)
    settling = asyncio.create_task((await quota.reserve(limited, 400, 1)).settle(100))
    await begun.wait()
    settling.cancel()
    await asyncio.wait([settling])
    assert settling.cancelled()
    held.set()
    await quota.aclose()
    assert redis_server.used(limited.id)[1] == 100


async def test_what_is_settled_after_the_end_opens_no_connection(redis_server: RedisServer):
    limited, quota = key(compute_per_day=1000), redis_server.books()
    reservation = await quota.reserve(limited, 10, 1)
    await quota.aclose()
    await reservation.settle(0)
    with pytest.raises(Unavailable, match="closed"):
        await quota.check()
    assert redis_server.used(limited.id)[1] == 10


async def test_scripts_that_redis_forgot_are_sent_again(redis_server: RedisServer):
    limited, quota = key(compute_per_day=1000), redis_server.books()
    try:
        await quota.reserve(limited, 10, 1)
        redis_server.client.script_flush()  # pyright: ignore
        assert (await quota.reserve(limited, 10, 1)).granted == 10
    finally:
        await quota.aclose()


async def test_a_redis_that_takes_no_writes_is_unavailable(redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch):
    async def refuses(*_: Any) -> None:
        raise ReadOnlyError("You can't write against a read only replica.")

    quota = redis_server.books()
    monkeypatch.setattr(Redis, "evalsha", refuses)
    with pytest.raises(Unavailable, match="ReadOnlyError"):
        await quota.reserve(key(compute_per_day=1000), 10, 1)
    monkeypatch.undo()
    await quota.aclose()


async def test_numbers_beyond_fourteen_digits_are_exact(redis_server: RedisServer):
    limited, clock = key(compute_per_minute=10**12), Clock(20_500 * 86400.0)
    quota = redis_server.books(clock)
    try:
        overrun = await quota.reserve(limited, 10**12, 1)
        await overrun.settle(123_456_789_012_345)
        with pytest.raises(Exhausted):
            await quota.reserve(limited, 1, 1)
        clock.now += 60
        await quota.reserve(limited, 2, 1)
        assert redis_server.used(limited.id) == (2, 123_456_789_012_347, 1, 2)
    finally:
        await quota.aclose()


@pytest.mark.parametrize("url", ["", "http://host", "redis://:pa/ss@host:6379/0", "redis://host:port/0"])
def test_an_address_that_is_none_is_told_without_being_repeated(url: str):
    with pytest.raises(ValueError, match="the address of Redis looks like") as fault:
        RedisQuota.from_url(url)
    assert "ss@host" not in str(fault.value)
