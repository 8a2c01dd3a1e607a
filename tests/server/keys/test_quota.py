"""What a key may use in a minute and a day, told to its client."""

import asyncio
from typing import Any

import pytest

from server.keys import Exhausted, LocalQuota, Quota, RedisQuota, Reservation
from server.keys.ruling import Ruling, headers

from .made import Clock, key
from .redis_server import RedisServer, needs_redis

MIDNIGHT = 20_500 * 86400.0


@pytest.fixture(params=["local", pytest.param("redis", marks=needs_redis)])
async def quota(request: pytest.FixtureRequest):
    clock = Clock(MIDNIGHT)
    server: RedisServer | None = request.getfixturevalue("redis_server") if request.param == "redis" else None
    quota = server.books(clock) if server else LocalQuota(clock)
    yield quota, clock
    await quota.aclose()


Kept = tuple[Quota, Clock]


async def refusal(quota: Quota, *asked: Any) -> Exhausted:
    with pytest.raises(Exhausted) as refused:
        await quota.reserve(*asked)
    return refused.value


async def test_a_key_without_limits_is_not_counted(quota: Kept):
    reservation = await quota[0].reserve(key(), 10**9, 1)
    assert (reservation.granted, reservation.remaining) == (None, {})
    await reservation.settle(10**9)


async def test_requests_of_a_minute_are_counted_and_come_back_with_the_next(quota: Kept):
    books, clock = quota
    limited = key(requests_per_minute=2)
    clock.now += 20
    for _ in range(2):
        assert (await books.reserve(limited, 100, 1)).granted is None
    refused = await refusal(books, limited, 100, 1)
    assert (refused.what, refused.window, refused.limit, refused.retry_after) == ("requests", "minute", 2, 40)
    assert not refused.hopeless
    clock.now += refused.retry_after
    await books.reserve(limited, 100, 1)


async def test_the_window_that_refuses_for_longest_is_told(quota: Kept):
    books, _ = quota
    limited = key(requests_per_minute=1, requests_per_day=1, compute_per_minute=10, compute_per_day=10)
    await books.reserve(limited, 10, 10)
    refused = await refusal(books, limited, 10, 10)
    assert (refused.what, refused.window, refused.retry_after) == ("requests", "day", 86400)


async def test_one_request_takes_at_most_half_of_what_is_left_unless_it_needs_more(quota: Kept):
    books, _ = quota
    limited = key(compute_per_day=1000)
    granted = [(await books.reserve(limited, ask, least)).granted for ask, least in ((400, 1), (400, 1), (400, 250))]
    assert granted == [400, 300, 250]
    assert [(await books.reserve(limited, 50, 1)).granted for _ in range(2)] == [25, 12]
    refused = await refusal(books, limited, 50, 14)
    assert (refused.what, refused.window, refused.limit, refused.asked) == ("compute", "day", 1000, 14)


async def test_what_is_refused_is_not_charged(quota: Kept):
    books, _ = quota
    limited = key(requests_per_minute=2, compute_per_minute=100)
    await refusal(books, limited, 200, 101)
    reservation = await books.reserve(limited, 50, 1)
    assert reservation.granted == 50
    assert reservation.remaining["x-ratelimit-remaining-requests"] == "1"


async def test_what_no_window_can_hold_is_hopeless(quota: Kept):
    assert (await refusal(quota[0], key(compute_per_minute=100), 500, 101)).hopeless


async def test_what_was_not_spent_comes_back_and_what_was_overrun_is_charged(quota: Kept):
    books, _ = quota
    limited = key(compute_per_minute=1000)
    first, second = [await books.reserve(limited, 400, 1), await books.reserve(limited, 300, 1)]
    await first.settle(100)
    assert (await books.reserve(limited, 500, 1)).granted == 300
    await second.settle(650)
    assert (await refusal(books, limited, 500, 1)).asked == 1


async def test_the_first_settlement_counts(quota: Kept):
    books, _ = quota
    limited = key(compute_per_minute=1000)
    reservation = await books.reserve(limited, 400, 1)
    await asyncio.gather(*(reservation.settle(spent) for spent in (100, 0, 900)))
    await reservation.settle(500)
    assert (await books.reserve(limited, 450, 1)).granted == 450


async def test_a_settlement_finds_the_windows_of_its_reservation(quota: Kept):
    books, clock = quota
    limited = key(compute_per_minute=1000, compute_per_day=2000)
    reservation = await books.reserve(limited, 500, 1)
    clock.now += 60
    await books.reserve(limited, 500, 500)
    await reservation.settle(0)
    left = (await books.reserve(limited, 1, 1)).remaining
    assert left["x-ratelimit-remaining-tokens"] == "499"


async def test_a_settlement_of_yesterday_changes_nothing_today(quota: Kept):
    books, clock = quota
    limited = key(compute_per_day=1000)
    late = await books.reserve(limited, 400, 1)
    clock.now += 86400
    await books.reserve(limited, 10, 1)
    await late.settle(0)
    assert (await books.reserve(limited, 1, 1)).remaining["x-ratelimit-remaining-tokens"] == "989"


@pytest.mark.parametrize(("ask", "least"), [(0, 0), (5, 6), (5, 0), (-1, -1)])
async def test_a_reservation_of_nothing_is_a_mistake(quota: Kept, ask: int, least: int):
    with pytest.raises(ValueError, match="nothing to reserve"):
        await quota[0].reserve(key(compute_per_day=9), ask, least)


async def test_a_negative_settlement_is_a_mistake_and_does_not_use_the_reservation_up(quota: Kept):
    books, _ = quota
    reservation = await books.reserve(limited := key(compute_per_minute=100), 50, 1)
    with pytest.raises(ValueError, match="nothing takes"):
        await reservation.settle(-1)
    await reservation.settle(0)
    assert (await books.reserve(limited, 50, 1)).granted == 50


async def test_a_client_is_told_what_is_left_of_the_scarcer_window(quota: Kept):
    limited = key(requests_per_minute=10, requests_per_day=12, compute_per_minute=1000, compute_per_day=100_000)
    quota[1].now += 18
    assert (await quota[0].reserve(limited, 400, 1)).remaining == {
        "x-ratelimit-limit-requests": "10",
        "x-ratelimit-remaining-requests": "9",
        "x-ratelimit-reset-requests": "42s",
        "x-ratelimit-limit-tokens": "1000",
        "x-ratelimit-remaining-tokens": "600",
        "x-ratelimit-reset-tokens": "42s",
    }


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0.25, "250ms"), (1, "1s"), (59.4, "59s"), (60, "1m0s"), (3599.6, "1h0m0s"), (86400, "24h0m0s")],
)
def test_times_are_written_as_openai_writes_them(seconds: float, told: str):
    ruling = Ruling(0, 0, 86400 - seconds, 0, 1439, (1, 0, 0, 0))
    assert headers(ruling, key(requests_per_day=5))["x-ratelimit-reset-requests"] == told


async def test_a_reservation_is_settled_though_its_caller_is_cancelled(quota: Kept):
    books, _ = quota
    limited = key(compute_per_minute=1000)
    reservation = await books.reserve(limited, 500, 1)

    async def request(reservation: Reservation) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await reservation.settle(100)

    task = asyncio.create_task(request(reservation))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    if isinstance(books, RedisQuota):
        await asyncio.gather(*books._tasks)
    assert (await books.reserve(limited, 450, 1)).granted == 450
