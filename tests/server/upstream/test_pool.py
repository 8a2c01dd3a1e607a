"""The pool as its users see it."""

import asyncio
from collections.abc import AsyncIterator
from random import Random

import pytest

from server.upstream import Absence, Busy, Failed, NoReplica, Pool, PoolOptions, Refused, Unreachable, UpstreamError

from .backends import OK, Backend, Exchange, free_port, reply, until
from .conftest import Hands

OPTIONS = PoolOptions(health_seconds=0, api_key="sesame")


def now() -> float:
    return asyncio.get_running_loop().time()


@pytest.fixture
async def pair() -> AsyncIterator[tuple[Pool, Backend, Backend]]:
    async with Backend() as first, Backend() as second:
        pool = Pool("generator", [first.url, second.url], options=OPTIONS, random=Random(1))
        await pool.start()
        yield pool, first, second
        await pool.aclose()


async def ask(pool: Pool, key: bytes, deadline: float | None = None) -> bytes:
    """Ask until there is an answer or no patience, as a user of the pool would."""
    avoid: set[object] = set()
    while True:
        try:
            with pool.lease(key, 1, avoid) as replica:  # pyright: ignore[reportArgumentType]
                avoid.add(replica)
                return await pool.post(replica, "/v1/score", b"{}", deadline=deadline)
        except UpstreamError as error:
            if not await pool.patience(error, deadline):
                raise


async def test_a_key_stays_with_its_replica_and_keys_spread(pair: tuple[Pool, Backend, Backend]):
    pool, first, second = pair
    for number in range(40):
        await ask(pool, str(number % 20).encode(), now() + 60)
    assert len(first.exchanges) + len(second.exchanges) == 40
    assert first.exchanges, "each has some of the keys"
    assert second.exchanges
    assert len(first.exchanges) % 2 == 0, "each key came twice to one of them"
    assert all(replica.load == 0 for replica in pool.replicas)


async def test_calls_carry_the_pool_s_own_key(pair: tuple[Pool, Backend, Backend]):
    pool, first, second = pair
    replica = pool.replicas[0]
    await pool.post(replica, "/v1/score", b"{}")
    async with pool.stream(replica, "/v1/completions", b"{}") as call:
        assert [piece async for piece in call] == [b'{"ok":true}']
    (backend,) = (backend for backend in (first, second) if backend.url == replica.url)
    assert {exchange.headers["authorization"] for exchange in backend.exchanges} == {"Bearer sesame"}


async def test_a_replaced_connection_carries_the_key_too():
    async def script(exchange: Exchange) -> None:
        if len(backend.exchanges) == 2:  # the second request on the kept connection
            exchange.writer.close()
        else:
            await exchange.send(OK)

    async with Backend(script) as backend:
        pool = Pool("generator", [backend.url], options=OPTIONS)
        await pool.start()
        for _ in range(2):
            await pool.post(pool.replicas[0], "/v1/score", b"{}")
        await pool.aclose()
        assert len(backend.exchanges) == 3
        assert backend.exchanges[2].headers["authorization"] == "Bearer sesame"


async def test_no_call_is_lost_when_a_replica_is_killed(pair: tuple[Pool, Backend, Backend]):
    pool, first, second = pair
    at_work = asyncio.Event()

    async def slow(exchange: Exchange) -> None:
        if len(first.exchanges) + len(second.exchanges) == 40:
            at_work.set()
        await at_work.wait()
        await exchange.send(OK)

    first.script = second.script = slow
    async with asyncio.TaskGroup() as group:
        calls = [group.create_task(ask(pool, str(number).encode(), now() + 20)) for number in range(39)]
        await until(lambda: len(first.exchanges) + len(second.exchanges) == 39)
        await first.__aexit__()
        at_work.set()
    assert {call.result() for call in calls} == {b'{"ok":true}'}
    assert (pool.healthy, sum(replica.load for replica in pool.replicas)) == (1, 0)


async def test_a_refusal_is_final(pair: tuple[Pool, Backend, Backend]):
    pool, first, second = pair
    first.script = second.script = lambda exchange: exchange.send(reply(400, b"no"))
    with pytest.raises(Refused):
        await ask(pool, b"key")
    assert len(first.exchanges) + len(second.exchanges) == 1
    assert pool.healthy == 2


async def test_a_busy_replica_s_call_goes_elsewhere_at_once(pair: tuple[Pool, Backend, Backend]):
    pool, first, _ = pair
    first.script = lambda exchange: exchange.send(reply(503, b"", "Retry-After: 9"))
    for number in range(10):
        await ask(pool, str(number).encode(), now() + 5)
    assert len(first.exchanges) <= 1
    assert pool.healthy == 2


async def test_a_pool_that_is_busy_is_waited_for():
    async def script(exchange: Exchange) -> None:
        await exchange.send(reply(503, b"", "Retry-After: 0.1") if len(backend.exchanges) < 3 else OK)

    async with Backend(script) as backend:
        pool = Pool("generator", [backend.url], options=OPTIONS)
        await pool.start()
        begun = now()
        assert await ask(pool, b"key", now() + 10) == b'{"ok":true}'
        assert now() - begun >= 0.19
        await pool.aclose()


@pytest.fixture
def idle(clock: Hands) -> Pool:
    """A pool with one replica and a clock that stands."""
    pool = Pool("generator", ["http://127.0.0.1:1"], options=OPTIONS, clock=clock, random=Random(1))
    pool._roster.update(["http://127.0.0.1:1"])
    return pool


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr("server.upstream.pool.asyncio.sleep", sleep)
    return waits


@pytest.mark.parametrize("failure", [Refused(400, "no"), NoReplica("generator", Absence.DOWN)])
async def test_there_is_no_patience_with_a_refusal_or_when_all_are_down(idle: Pool, failure: UpstreamError):
    assert not await idle.patience(failure)
    assert idle._roster.retries.tokens == 3


async def test_patience_ends_with_the_third_failure_but_not_with_full_servers(idle: Pool, slept: list[float]):
    assert await idle.patience(Failed(500, "no"), tries=2)
    assert not await idle.patience(Failed(500, "no"), tries=3)
    assert await idle.patience(Busy("full"), tries=3)


async def test_patience_ends_with_the_retry_budget(idle: Pool, slept: list[float]):
    assert [await idle.patience(Unreachable("cut")) for _ in range(5)] == [True, True, True, False, False]
    assert len(slept) == 3


async def test_the_only_replica_gets_a_pause_another_does_not(idle: Pool, slept: list[float]):
    await idle.patience(Unreachable("cut"))
    idle._roster.update(["http://127.0.0.1:1", "http://127.0.0.1:2"])
    await idle.patience(Unreachable("cut"))
    assert 0.2 <= slept[0] <= 0.3
    assert slept[1] == 0


@pytest.mark.parametrize("failure", [Busy("full", 4.0), NoReplica("generator", Absence.BUSY, 4.0)])
async def test_a_rest_is_waited_out_unless_the_deadline_comes_first(
    idle: Pool, slept: list[float], clock: Hands, failure: UpstreamError
):
    idle.replicas[0].rest(4.0)
    assert not await idle.patience(failure, clock() + 3.9)
    assert idle._roster.retries.tokens == 3
    assert await idle.patience(failure, clock() + 30)
    assert 4.0 <= slept[0] <= 6.0


async def test_a_rest_that_is_over_is_not_waited_for(idle: Pool, slept: list[float]):
    assert await idle.patience(Busy("full", 4.0))
    assert slept == [0]


async def test_a_pool_is_closed_without_a_trace():
    before = asyncio.all_tasks()
    pool = Pool("generator", ["http://127.0.0.1:2", "dns+http://localhost:1"])
    await pool.start()
    assert len(pool.replicas) == 2
    assert len(asyncio.all_tasks() - before) == 3, "two are checked, one name is asked for"
    await pool.aclose()
    await pool.aclose()
    assert asyncio.all_tasks() == before
    with pytest.raises(RuntimeError, match="not started"):
        _ = pool.session


async def test_a_source_that_is_none_is_an_error_at_once():
    with pytest.raises(ValueError, match="nonsense"):
        Pool("generator", ["nonsense"])


async def test_a_pool_without_anybody_is_down():
    pool = Pool("generator", [f"http://127.0.0.1:{free_port()}"], options=OPTIONS)
    with pytest.raises(NoReplica), pool.lease(b"key", 1):
        pass
