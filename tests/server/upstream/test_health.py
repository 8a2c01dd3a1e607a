"""Health checks against servers that die in the ways servers die."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Callable
from random import Random

import aiohttp
import pytest

from server.upstream import Pool, PoolOptions, Replica, Stalled, post
from server.upstream.clock import loop_time
from server.upstream.health import Health
from server.upstream.roster import Roster

from .backends import Backend, Exchange, Script, free_port, reply, silent, until, well

PATIENT = PoolOptions(health_seconds=30)
QUICK = PoolOptions(health_seconds=0.05)


@pytest.fixture
async def pools() -> AsyncIterator[Callable[..., Pool]]:
    opened: list[Pool] = []

    def new(*urls: str, options: PoolOptions = QUICK) -> Pool:
        opened.append(Pool("generator", urls, options=options))
        return opened[-1]

    yield new
    for pool in opened:
        await pool.aclose()


def answering(status: int) -> Script:
    return lambda exchange: exchange.send(reply(status, b""))


def asking(paths: list[str], health: int, models: int = 200) -> Script:
    async def script(exchange: Exchange) -> None:
        paths.append(exchange.path)
        await exchange.send(reply(health if exchange.path == "/health" else models, b""))

    return script


async def judged(backend: Backend, times: int) -> Replica:
    """Check a server so often in a row, and leave it all the time it needs."""
    roster = Roster("generator", PATIENT, loop_time, Random(1))
    roster.update([backend.url])
    (replica,) = roster.replicas
    async with Health(roster, PATIENT) as health:
        for _ in range(times):
            await health._judge(replica)
    return replica


async def test_a_server_that_answers_stays_and_is_asked_again_and_again(pools: Callable[..., Pool]):
    paths: list[str] = []
    async with Backend(health=asking(paths, 200)) as backend:
        pool = pools(backend.url)
        await pool.start()
        await until(lambda: len(paths) > 3)
        assert set(paths) == {"/health"}
        assert (await judged(backend, 2)).well


@pytest.mark.parametrize("status", [401, 404, 429])
async def test_any_answer_but_a_server_error_shows_life(status: int):
    async with Backend(health=answering(status)) as backend:
        assert (await judged(backend, 3)).well


async def test_a_server_without_a_health_endpoint_is_asked_for_its_models():
    paths: list[str] = []
    async with Backend(health=asking(paths, 404, 500)) as backend:
        assert (await judged(backend, 1)).dead
    assert paths == ["/health", "/v1/models"] * 2


@pytest.mark.parametrize("script", [answering(503), silent, lambda exchange: exchange.send(b"what?\r\n\r\n")])
async def test_a_server_that_answers_badly_or_not_at_all_is_dead_until_it_does(
    pools: Callable[..., Pool], script: Script
):
    async with Backend(health=script) as backend:
        pool = pools(backend.url)
        await pool.start()
        await until(lambda: pool.healthy == 0)
        backend.health = well
        await until(lambda: pool.healthy == 1)
        assert not pool.replicas[0].well, "a trial comes first"


async def test_a_server_that_is_not_there_is_dead_until_it_is(pools: Callable[..., Pool]):
    port = free_port()
    pool = pools(f"http://127.0.0.1:{port}")
    await pool.start()
    await until(lambda: pool.healthy == 0)
    async with Backend(port=port):
        await until(lambda: pool.healthy == 1)


async def test_one_failed_check_is_not_death():
    checks: list[int] = []

    async def every_other(exchange: Exchange) -> None:
        checks.append(1)
        await exchange.send(reply(503 if len(checks) % 2 else 200, b""))

    async with Backend(health=every_other) as backend:
        assert (await judged(backend, 4)).well
    assert len(checks) == 8


async def test_a_server_that_answers_calls_is_not_dead_whatever_its_health_check_says():
    roster = Roster("generator", PATIENT, loop_time, Random(1))
    async with Backend(health=answering(503)) as backend, aiohttp.ClientSession() as session:
        roster.update([backend.url])
        (replica,) = roster.replicas
        async with Health(roster, PATIENT) as health:
            await post(session, replica, "/v1/completions", b"{}")
            await health._judge(replica)
            assert replica.well
            replica.heard_at -= PATIENT.health_seconds
            await health._judge(replica)
            assert replica.dead


async def test_a_replica_that_has_left_is_no_longer_asked():
    roster = Roster("generator", PATIENT, loop_time, Random(1))
    async with Backend() as backend, Backend() as other, Health(roster, PATIENT) as health:
        roster.update([backend.url, other.url])
        health.follow()
        before = dict(health._pollers)
        (leaving, staying) = roster.replicas
        roster.update([other.url])
        health.follow()
        await asyncio.wait({before[leaving]})
        assert health._pollers == {staying: before[staying]}
        assert not before[staying].done()


async def test_no_health_checks_where_none_are_wanted(pools: Callable[..., Pool]):
    paths: list[str] = []
    async with Backend(health=asking(paths, 200)) as backend:
        pool = pools(backend.url, options=PoolOptions(health_seconds=0))
        await pool.start()
        await asyncio.sleep(0.05)
        assert (paths, pool.healthy) == ([], 1)


async def test_a_stopped_process_is_found_within_five_seconds_and_its_calls_fail_at_once(
    pools: Callable[..., Pool],
):
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.server.upstream.hung", stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout
    try:
        url = (await process.stdout.readline()).decode().strip()
        pool = pools(url, options=PoolOptions())
        await pool.start()
        (replica,) = pool.replicas
        await pool.post(replica, "/v1/score", b"{}")
        process.send_signal(signal.SIGSTOP)
        begun = asyncio.get_running_loop().time()
        with pytest.raises(Stalled, match="has died"):
            await asyncio.wait_for(pool.post(replica, "/v1/score", b"{}"), 20)
        assert asyncio.get_running_loop().time() - begun < 6
        assert pool.healthy == 0
        process.send_signal(signal.SIGCONT)
        await until(lambda: pool.healthy == 1)
        assert await pool.post(replica, "/v1/score", b"{}") == b'{"ok":true}'
    finally:
        process.kill()
        await process.wait()
