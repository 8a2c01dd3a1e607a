"""Each way in which a call can fail, on real sockets."""

import asyncio
import socket
from contextlib import suppress

import aiohttp
import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from server.upstream import Busy, Failed, Refused, Replica, Unreachable, post, stream
from server.upstream.http import Call

from .backends import EVENTS, OK, Backend, Exchange, chunk, closing_kept, free_port, reply, sending, soon


async def read(call: Call) -> list[bytes]:
    return [piece async for piece in call]


async def test_a_reply_comes_as_it_was_sent(session: aiohttp.ClientSession):
    async with Backend() as backend:
        reply = await post(session, Replica(backend.url), "/v1/score", b'{"a":1}', headers={"X-Trace": "7"})
    assert reply == b'{"ok":true}'
    (exchange,) = backend.exchanges
    assert (exchange.path, exchange.body) == ("/v1/score", b'{"a":1}')
    assert exchange.headers["content-type"] == "application/json"
    assert exchange.headers["accept-encoding"] == "identity"
    assert exchange.headers["x-trace"] == "7"


async def test_a_stream_gives_each_chunk_when_it_comes_and_is_no_json(session: aiohttp.ClientSession):
    more = asyncio.Event()

    async def script(exchange: Exchange) -> None:
        await exchange.send(EVENTS + chunk(b"data: 1\n\n"))
        await more.wait()
        await exchange.send(chunk(b"data: 2\n\n") + chunk(b""))

    async with Backend(script) as backend, stream(session, Replica(backend.url), "/v1/completions", b"{}") as call:
        assert not call.json
        assert await anext(call) == b"data: 1\n\n"
        more.set()
        assert await read(call) == [b"data: 2\n\n"]


async def test_one_json_body_is_told_from_a_stream(session: aiohttp.ClientSession):
    async with Backend() as backend, stream(session, Replica(backend.url), "/v1/completions", b"{}") as call:
        assert call.json


async def test_a_reply_read_to_its_end_keeps_the_connection(session: aiohttp.ClientSession):
    async with Backend() as backend:
        for _ in range(3):
            await post(session, Replica(backend.url), "/v1/score", b"{}")
        assert backend.connections == 1


async def test_a_large_body_arrives_whole(session: aiohttp.ClientSession):
    body = b" " * (3 << 20)
    async with Backend() as backend:
        await post(session, Replica(backend.url), "/v1/score", body)
    assert backend.exchanges[0].body == body


async def test_nobody_listening_is_unreachable_while_connecting(session: aiohttp.ClientSession):
    with pytest.raises(Unreachable, match="cannot be connected to") as caught:
        await post(session, Replica(f"http://127.0.0.1:{free_port()}"), "/v1/score", b"{}")
    assert caught.value.connecting


async def test_a_name_that_nobody_has_is_asked_for_once():
    asked: list[str] = []

    class Nobody(AbstractResolver):
        async def resolve(
            self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
        ) -> list[ResolveResult]:
            asked.append(host)
            raise OSError(None, "no such name")

        async def close(self) -> None:
            pass

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(resolver=Nobody())) as session:
        with pytest.raises(Unreachable, match="no such name") as caught:
            await post(session, Replica("http://backend.test"), "/v1/score", b"{}")
    assert caught.value.connecting
    assert asked == ["backend.test"]


async def test_a_connection_that_does_not_come_about_in_time_is_unreachable():
    class Nowhere(AbstractResolver):
        async def resolve(
            self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
        ) -> list[ResolveResult]:
            await asyncio.Event().wait()
            return []

        async def close(self) -> None:
            pass

    timeout = aiohttp.ClientTimeout(total=None, connect=0.05)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(resolver=Nowhere()), timeout=timeout) as session:
        with pytest.raises(Unreachable, match="in time") as caught:
            await post(session, Replica("http://backend.test"), "/v1/score", b"{}")
    assert caught.value.connecting


@pytest.mark.parametrize(
    "backend",
    [
        pytest.param(sending(reset=True), id="reset before the reply"),
        pytest.param(sending(close=True), id="closed before the reply"),
        pytest.param(sending(b"220 smtp.example.org ready\r\n\r\n", close=True), id="another protocol"),
        pytest.param(sending(b"\x00\xff" * 2000, close=True), id="garbage"),
        pytest.param(sending(b"HTTP/1.1 200 OK\r\nContent-Le", close=True), id="half a head"),
        pytest.param(sending(OK[:-4], close=True), id="half a body"),
        pytest.param(sending(OK[:-4], reset=True), id="half a body, reset"),
        pytest.param(sending(EVENTS, chunk(b"data: 1\n\n"), close=True), id="half a stream"),
        pytest.param(sending(EVENTS, b"5\r\nabc", close=True), id="half a chunk"),
        pytest.param(sending(EVENTS, b"no length\r\n", close=True), id="a garbage chunk"),
    ],
)
async def test_a_broken_reply_is_unreachable(session: aiohttp.ClientSession, backend: Backend):
    async with backend:
        replica = Replica(backend.url)
        with pytest.raises(Unreachable) as caught:
            await post(session, replica, "/v1/score", b"{}", deadline=soon(5))
    assert not caught.value.connecting
    assert str(caught.value).startswith(backend.url)
    assert "\n" not in str(caught.value)


async def test_what_came_before_the_break_is_not_lost(session: aiohttp.ClientSession):
    more = asyncio.Event()

    async def script(exchange: Exchange) -> None:
        await exchange.send(EVENTS + chunk(b"data: 1\n\n"))
        await more.wait()
        exchange.writer.close()

    async with Backend(script) as backend, stream(session, Replica(backend.url), "/v1/completions", b"{}") as call:
        assert await anext(call) == b"data: 1\n\n"
        more.set()
        with pytest.raises(Unreachable, match="broke off its reply"):
            await anext(call)


@pytest.mark.parametrize(
    ("sent", "error", "message"),
    [
        (reply(500, b'{"error":{"message":"the engine is dead","param":null}}'), Failed, "500: the engine is dead"),
        (reply(502, b"<html>Bad gateway</html>"), Failed, "502: <html>Bad gateway</html>"),
        (reply(504, b""), Failed, "504: the backend gave no reason"),
        (reply(307, b"", "Location: http://127.0.0.1:1/"), Failed, "307: the backend gave no reason"),
        (reply(503, b'{"error":"queue full"}'), Busy, "queue full"),
        (reply(429, b""), Busy, "the backend is busy (429)"),
        (reply(400, b'{"error":{"message":"n is too large","param":"n"}}'), Refused, "n is too large"),
        (reply(401, b'{"error":"Wrong key: sk-abc"}'), Failed, "401: the backend does not take calls from here"),
    ],
)
async def test_a_status_becomes_its_error(
    session: aiohttp.ClientSession, sent: bytes, error: type[Exception], message: str
):
    async with sending(sent) as backend:
        with pytest.raises(error) as caught:
            await post(session, Replica(backend.url), "/v1/score", b"{}", deadline=soon(5))
    assert str(caught.value) == message


async def test_a_refusal_names_the_field(session: aiohttp.ClientSession):
    async with sending(reply(400, b'{"error":{"message":"too long","param":"input_tokens"}}')) as backend:
        with pytest.raises(Refused) as caught:
            await post(session, Replica(backend.url), "/v1/score", b"{}")
    assert (caught.value.status, caught.value.param) == (400, "input_tokens")


async def test_busy_says_for_how_long(session: aiohttp.ClientSession):
    async with sending(reply(503, b"", "Retry-After: 3")) as backend:
        with pytest.raises(Busy) as caught:
            await post(session, Replica(backend.url), "/v1/score", b"{}")
    assert caught.value.retry_after == 3


async def test_an_error_reply_does_not_cost_the_connection(session: aiohttp.ClientSession):
    async with Backend(lambda exchange: exchange.send(reply(400, b"no"))) as backend:
        for _ in range(2):
            with pytest.raises(Refused):
                await post(session, Replica(backend.url), "/v1/score", b"{}")
        assert backend.connections == 1


async def test_the_status_counts_where_the_reason_is_cut_off(session: aiohttp.ClientSession):
    async with sending(b"HTTP/1.1 400 Bad\r\nContent-Length: 90\r\n\r\nnot th", close=True) as backend:
        with pytest.raises(Refused, match="not th"):
            await post(session, Replica(backend.url), "/v1/score", b"{}")


async def test_a_reason_without_end_is_cut(session: aiohttp.ClientSession):
    async def script(exchange: Exchange) -> None:
        await exchange.send(b"HTTP/1.1 400 Bad\r\nContent-Length: 99999999\r\n\r\n")
        with suppress(ConnectionError):
            while True:
                await exchange.send(b"x" * 10_000)
        gone.set()

    gone = asyncio.Event()
    async with Backend(script) as backend:
        with pytest.raises(Refused, match=r"^x{299}…$"):
            await post(session, Replica(backend.url), "/v1/score", b"{}")
        await asyncio.wait_for(gone.wait(), 5)


async def test_a_reason_that_does_not_come_is_not_waited_for(
    session: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("server.upstream.http._REASON_SECONDS", 0.05)
    async with sending(b"HTTP/1.1 500 Bad\r\nContent-Length: 90\r\n\r\n") as backend:
        with pytest.raises(Failed, match="no reason"):
            await post(session, Replica(backend.url), "/v1/score", b"{}")
        await asyncio.wait_for(backend.left.wait(), 5)


async def test_a_reply_without_end_is_given_up(session: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("server.upstream.http._REPLY_BYTES", 100)
    async with sending(reply(200, b"x" * 101)) as backend:
        with pytest.raises(Unreachable, match="without end"):
            await post(session, Replica(backend.url), "/v1/score", b"{}")


async def test_a_kept_connection_that_the_server_has_closed_is_replaced(session: aiohttp.ClientSession):
    async def script(exchange: Exchange) -> None:
        if len(backend.exchanges) == 2:  # the second request on the kept connection meets its end
            exchange.writer.close()
        else:
            await exchange.send(OK)

    async with Backend(script) as backend:
        replica = Replica(backend.url)
        for _ in range(3):
            assert await post(session, replica, "/v1/score", b'{"again":true}') == b'{"ok":true}'
        assert [exchange.body for exchange in backend.exchanges] == [b'{"again":true}'] * 4


async def test_a_kept_connection_is_replaced_only_once(session: aiohttp.ClientSession):
    async with closing_kept() as backend:
        replica = Replica(backend.url)
        await post(session, replica, "/v1/score", b"{}")
        with pytest.raises(Unreachable):
            await post(session, replica, "/v1/score", b"{}")
        assert len(backend.exchanges) == 3


async def test_what_breaks_on_a_new_connection_is_not_sent_again(session: aiohttp.ClientSession):
    async with sending(close=True) as backend:
        with pytest.raises(Unreachable):
            await post(session, Replica(backend.url), "/v1/score", b"{}")
        assert len(backend.exchanges) == 1


async def test_a_connection_that_breaks_after_a_while_was_not_stale(
    session: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("server.upstream.http._STALE_SECONDS", 0.0)
    async with closing_kept() as backend:
        replica = Replica(backend.url)
        await post(session, replica, "/v1/score", b"{}")
        with pytest.raises(Unreachable):
            await post(session, replica, "/v1/score", b"{}")
        assert len(backend.exchanges) == 2
