"""What ends a call that does not end by itself: its deadline, silence, death, and the caller."""

import asyncio
import socket
from typing import Any, cast

import aiohttp
import pytest

from server.upstream import PoolOptions, Replica, Stalled, Unreachable, post, stream

from .backends import EVENTS, Backend, Exchange, Script, chunk, closing_kept, reply, sending, silent, soon, until, well


async def test_the_deadline_ends_a_call_that_gets_no_answer(session: aiohttp.ClientSession):
    async with Backend(silent) as backend:
        with pytest.raises(TimeoutError, match="deadline"):
            await post(session, Replica(backend.url), "/v1/score", b"{}", deadline=soon())
        await asyncio.wait_for(backend.left.wait(), 5)


async def test_the_deadline_ends_a_stream_where_it_is_read(session: aiohttp.ClientSession):
    async with sending(EVENTS + chunk(b"data: 1\n\n")) as backend:
        async with stream(session, Replica(backend.url), "/v1/completions", b"{}", deadline=soon(0.5)) as call:
            assert await anext(call) == b"data: 1\n\n"
            with pytest.raises(TimeoutError, match="deadline"):
                await anext(call)
        await asyncio.wait_for(backend.left.wait(), 5)


async def test_a_call_whose_deadline_is_over_is_not_made(session: aiohttp.ClientSession):
    async with Backend() as backend:
        with pytest.raises(TimeoutError):
            await post(session, Replica(backend.url), "/v1/score", b"{}", deadline=soon(-1))
        assert backend.connections == 0


@pytest.mark.parametrize("sent", [(), (EVENTS + chunk(b"data: 1\n\n"),)], ids=["no answer", "the answer stops"])
async def test_silence_is_a_stall_where_another_replica_could_be_asked(
    session: aiohttp.ClientSession, sent: tuple[bytes, ...]
):
    async with sending(*sent) as backend:
        replica = Replica(backend.url, others=lambda: True)
        with pytest.raises(Stalled, match="nothing came"):
            await post(session, replica, "/v1/score", b"{}", options=PoolOptions(stall_seconds=0.05))
        await asyncio.wait_for(backend.left.wait(), 5)


async def test_silence_is_borne_until_the_deadline_where_there_is_no_other(session: aiohttp.ClientSession):
    async with Backend(silent) as backend:
        with pytest.raises(TimeoutError):
            await post(
                session,
                Replica(backend.url),
                "/v1/score",
                b"{}",
                deadline=soon(0.2),
                options=PoolOptions(stall_seconds=0.01),
            )


async def test_silence_is_a_stall_as_soon_as_another_replica_is_back(session: aiohttp.ClientSession):
    others: list[str] = []
    async with Backend(silent) as backend:
        replica = Replica(backend.url, others=lambda: bool(others))
        call = asyncio.create_task(post(session, replica, "/v1/score", b"{}", options=PoolOptions(stall_seconds=0.02)))
        await backend.begun.wait()
        assert not (await asyncio.wait({call}, timeout=0.1))[0]
        others.append("another")
        with pytest.raises(Stalled):
            await asyncio.wait_for(call, 5)


async def test_a_slow_stream_is_no_stall(session: aiohttp.ClientSession):
    async def script(exchange: Exchange) -> None:
        await exchange.send(EVENTS)
        for _ in range(5):
            await asyncio.sleep(0.25)
            await exchange.send(chunk(b"x"))
        await exchange.send(chunk(b""))

    async with Backend(script) as backend:
        replica = Replica(backend.url, others=lambda: True)
        reply = await post(session, replica, "/v1/score", b"{}", options=PoolOptions(stall_seconds=1))
    assert reply == b"xxxxx"


async def test_a_dead_replica_s_waiting_call_fails_at_once(session: aiohttp.ClientSession):
    async with Backend(silent) as backend:
        replica = Replica(backend.url)
        call = asyncio.create_task(post(session, replica, "/v1/score", b"{}"))
        await backend.begun.wait()
        replica.died()
        with pytest.raises(Stalled, match="has died"):
            await asyncio.wait_for(call, 5)
        await asyncio.wait_for(backend.left.wait(), 5)


@pytest.mark.parametrize("others", [True, False])
async def test_a_call_that_has_begun_leaves_a_dead_replica_only_for_another(
    session: aiohttp.ClientSession, others: bool
):
    async with sending(EVENTS + chunk(b"data: 1\n\n")) as backend:
        replica = Replica(backend.url, others=lambda: others)
        async with stream(session, replica, "/v1/completions", b"{}", deadline=soon(1)) as call:
            await anext(call)
            replica.died()
            with pytest.raises(Stalled if others else TimeoutError):
                await anext(call)


async def test_a_call_at_a_dead_replica_leaves_it_soon_after_another_comes_back(
    session: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("server.upstream.watch._REVIVAL_SECONDS", 0.01)
    others: list[str] = []
    async with sending(EVENTS + chunk(b"data: 1\n\n")) as backend:
        replica = Replica(backend.url, others=lambda: bool(others))
        async with stream(session, replica, "/v1/completions", b"{}", deadline=soon(10)) as call:
            await anext(call)
            replica.died()
            others.append("another")
            with pytest.raises(Stalled):
                await anext(call)


async def test_a_replica_that_is_asked_although_it_counts_as_dead_may_answer(session: aiohttp.ClientSession):
    async with sending(reply(200, b"{}")) as backend:
        replica = Replica(backend.url)
        replica.died()
        assert await post(session, replica, "/v1/score", b"{}") == b"{}"


@pytest.mark.parametrize("sent", [(), (EVENTS + chunk(b"data: 1\n\n"),)], ids=["before the reply", "within it"])
async def test_a_cancelled_call_is_seen_by_the_server(session: aiohttp.ClientSession, sent: tuple[bytes, ...]):
    async with sending(*sent) as backend:
        call = asyncio.create_task(post(session, Replica(backend.url), "/v1/score", b"{}"))
        await backend.begun.wait()
        await asyncio.sleep(0)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await asyncio.wait_for(backend.left.wait(), 5)


async def test_leaving_a_stream_early_is_seen_by_the_server(session: aiohttp.ClientSession):
    async with sending(EVENTS + chunk(b"data: 1\n\n")) as backend:
        async with stream(session, Replica(backend.url), "/v1/completions", b"{}") as call:
            await anext(call)
        await asyncio.wait_for(backend.left.wait(), 5)


async def test_leaving_is_not_held_up_by_what_is_unsent(session: aiohttp.ClientSession):
    lost = asyncio.Event()

    async def answer_unread(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(EVENTS + chunk(b"data: 1\n\n"))
        await writer.drain()
        while not writer.is_closing():  # the client is noticed to have gone without a byte of its body being read
            await asyncio.sleep(0.01)
            writer.write(chunk(b"data: 2\n\n"))
        lost.set()

    narrow = socket.create_server(("127.0.0.1", 0))
    narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    server = await asyncio.start_server(answer_unread, sock=narrow, limit=1024)
    url = f"http://127.0.0.1:{narrow.getsockname()[1]}"
    async with stream(session, Replica(url), "/v1/score", b" " * (32 << 20)) as call:
        await anext(call)
        connection = call._response and call._response.connection
        transport = connection and connection.transport
        assert transport
        await until(transport.get_write_buffer_size)
    await asyncio.wait_for(lost.wait(), 5)
    server.close()


async def test_a_trial_that_has_begun_to_answer_lets_others_in(session: aiohttp.ClientSession):
    async with sending(EVENTS + chunk(b"data: 1\n\n")) as backend:
        replica = Replica(backend.url)
        replica.breaker.half_open()
        async with stream(session, replica, "/v1/completions", b"{}") as call:
            assert not replica.well
            await anext(call)
            assert replica.well
            assert replica.heard_at == pytest.approx(soon(0), abs=5)


class Late:
    """A session whose replica is found dead in the moment in which a call to it ends."""

    def __init__(self, session: aiohttp.ClientSession, replica: Replica) -> None:
        self.session, self.replica = session, replica
        self.timeout, self.headers = session.timeout, session.headers

    async def post(self, url: str, **options: Any) -> aiohttp.ClientResponse:
        try:
            return await self.session.post(url, **options)
        finally:
            self.replica.died()


@pytest.mark.parametrize("script", [well, lambda exchange: exchange.send(b"what?\r\n\r\n")])
async def test_a_death_that_comes_with_the_answer_is_not_missed(session: aiohttp.ClientSession, script: Script):
    async with Backend(script) as backend:
        replica = Replica(backend.url)
        with pytest.raises((Stalled, Unreachable)):
            await post(cast("aiohttp.ClientSession", Late(session, replica)), replica, "/v1/score", b"{}")
        assert len(backend.exchanges) == 1


async def test_a_connection_to_the_dead_is_not_replaced(session: aiohttp.ClientSession):
    async with closing_kept() as backend:
        replica = Replica(backend.url)
        await post(session, replica, "/v1/score", b"{}")
        with pytest.raises(Stalled):
            await post(cast("aiohttp.ClientSession", Late(session, replica)), replica, "/v1/score", b"{}")
        assert len(backend.exchanges) == 2
