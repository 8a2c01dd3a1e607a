import asyncio
import socket
from collections.abc import Iterable

import pytest

from server.upstream.addresses import Address
from server.upstream.discovery import Discovery

from .backends import until

Entry = tuple[socket.AddressFamily, socket.SocketKind, int, str, tuple[str, int]]


def entry(ip: str) -> Entry:
    family = socket.AF_INET6 if ":" in ip else socket.AF_INET
    return (family, socket.SOCK_STREAM, 6, "", (ip, 0))


class Names:
    """A name server."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.answer: Iterable[str] | Exception = ()
        self.asked = 0
        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", self.resolve)

    async def resolve(self, host: str, port: object, **_: object) -> list[Entry]:
        self.asked += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return [entry(ip) for ip in self.answer]


@pytest.fixture
async def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    return Names(monkeypatch)


class Found:
    def __init__(self, *sources: str, period: float = 5.0) -> None:
        self.urls: list[list[str]] = []
        self.discovery = Discovery([Address.parse(source) for source in sources], self.update, period)

    def update(self, urls: Iterable[str]) -> None:
        self.urls.append(list(urls))


async def test_fixed_replicas_are_told_without_asking_anybody(names: Names):
    found = Found("http://a:8000", "http://b:8000")
    await found.discovery.once()
    await asyncio.wait_for(found.discovery.run(), 5)
    assert (found.urls, names.asked) == ([["http://a:8000", "http://b:8000"]], 0)


async def test_a_name_stands_for_each_of_its_addresses(names: Names):
    found = Found("http://a:8000", "dns+http://gen:8000")
    names.answer = ["10.0.0.2", "10.0.0.1", "10.0.0.2"]
    await found.discovery.once()
    assert found.urls == [["http://a:8000", "http://10.0.0.1:8000", "http://10.0.0.2:8000"]]


@pytest.mark.parametrize(
    ("ips", "urls"),
    [(["fd00::1", "10.0.0.1"], ["http://10.0.0.1:8000"]), (["fd00::1"], ["http://[fd00::1]:8000"])],
)
async def test_a_server_with_two_kinds_of_addresses_is_one_replica(names: Names, ips: list[str], urls: list[str]):
    found = Found("dns+http://gen:8000")
    names.answer = ips
    await found.discovery.once()
    assert found.urls == [urls]


async def test_names_are_asked_for_again(names: Names):
    found = Found("dns+http://gen:8000", period=0.01)
    names.answer = ["10.0.0.1"]
    running = asyncio.create_task(found.discovery.run())
    await until(lambda: found.urls)
    names.answer = ["10.0.0.2"]
    await until(lambda: found.urls[-1] == ["http://10.0.0.2:8000"])
    assert found.urls[0] == ["http://10.0.0.1:8000"]
    running.cancel()


@pytest.mark.parametrize("failure", [socket.gaierror(-2, "unknown"), UnicodeError("label too long"), []], ids=repr)
async def test_a_name_that_cannot_be_resolved_keeps_what_it_had_and_is_logged_once(
    names: Names, failure: Exception | list[str], caplog: pytest.LogCaptureFixture
):
    found = Found("dns+http://gen:8000")
    names.answer = failure
    await found.discovery.once()
    names.answer = ["10.0.0.1"]
    await found.discovery.once()
    names.answer = failure
    await found.discovery.once()
    await found.discovery.once()
    assert found.urls == [[], *[["http://10.0.0.1:8000"]] * 3]
    assert len(caplog.records) == 2
    assert "gen cannot be resolved" in caplog.text


async def test_a_name_server_that_is_silent_is_not_waited_for(names: Names, monkeypatch: pytest.MonkeyPatch):
    async def never(*_: object, **__: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", never)
    found = Found("dns+http://gen:8000", period=0.02)
    await asyncio.wait_for(found.discovery.once(), 5)
    assert found.urls == [[]]


async def test_a_real_name_is_resolved():
    found = Found("dns+http://localhost:8000")
    await found.discovery.once()
    assert found.urls == [["http://127.0.0.1:8000"]]
