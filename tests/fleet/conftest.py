"""One fleet of real processes for the whole folder; every test finds it whole."""

import os
import shutil
from collections.abc import AsyncGenerator, Generator
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path

import httpx
import pytest

from server.keys import keyfile
from server.keys.key import digest, new_id, new_token
from tests.chaos.processes import Process, until
from tests.server.keys.redis_server import RedisServer

from .fleet import DRAIN_SECONDS, Client, Fleet, Gateway, Proxy

PROXIES = {"haproxy": ("haproxy", "-db", "-f", "haproxy.cfg"), "nginx": ("nginx", "-c", "nginx.conf")}

LIMITS: dict[str, dict[str, object]] = {
    "ten": {"limits": {"requests_per_day": 10}},
    "spender": {"limits": {"compute_per_day": 3000}},
    "worker": {"limits": {"compute_per_day": 1_000_000}},
    "free": {},
    "watcher": {"scopes": ["metrics"]},
}
"""Keys by name. Limits are of a day: a minute would end in the middle of a test."""


def program(name: str) -> str:
    """Return where a program is. Without it the test is skipped, or fails where COGITATE_OPERATIONS=1 promises it."""
    search = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    if found := shutil.which(name, path=search):
        return found
    reason = f"{name} is not installed: tools/install-system.sh"
    if os.environ.get("COGITATE_OPERATIONS") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


def write_keys(path: Path) -> dict[str, tuple[str, str]]:
    """Write a file of keys; return token and id by name."""
    made = {name: (new_token(), new_id()) for name in LIMITS}
    entries = [
        {"name": name, "id": made[name][1], "digest": digest(made[name][0]), **entry} for name, entry in LIMITS.items()
    ]
    keyfile.write(path, [keyfile.checked(entry) for entry in entries])
    return made


@pytest.fixture(scope="package")
def processes(tmp_path_factory: pytest.TempPathFactory) -> Generator[Fleet]:
    """Two gateways, started beside each other, with one pool and one Redis."""
    program("redis-server")
    folder = tmp_path_factory.mktemp("fleet")
    keys = write_keys(folder / "keys.json")
    with ExitStack() as stack:
        pool = Process(("-m", "tests.chaos.replica"), folder / "pool.log")
        pool.arguments += (str(pool.port),)
        redis = RedisServer(folder)
        stack.callback(redis.kill)
        gateways = (_gateway(folder, 0, pool, redis), _gateway(folder, 1, pool, redis))
        for process in (pool, *gateways):
            stack.callback(process.end)
            process.start()
        for process in (pool, *gateways):
            process.wait(90)
        yield Fleet(gateways, pool, redis, keys)


def _gateway(folder: Path, number: int, pool: Process, redis: RedisServer) -> Gateway:
    gateway = Gateway(("-m", "server", "serve"), folder / f"gateway-{number}.log", "/ready")
    gateway.environment = {
        "COGITATE_PORT": str(gateway.port),
        "COGITATE_KEYS": str(folder / "keys.json"),
        "COGITATE_REDIS": redis.url,
        "COGITATE_GENERATORS": pool.url,
        "COGITATE_DRAIN_SECONDS": str(DRAIN_SECONDS),
    }
    return gateway


@pytest.fixture(scope="package", params=PROXIES)
def proxy(
    request: pytest.FixtureRequest, processes: Fleet, tmp_path_factory: pytest.TempPathFactory
) -> Generator[Proxy]:
    """A real proxy in front of both gateways."""
    name = str(request.param)
    binary, *options = PROXIES[name]
    started = Proxy(name, (program(binary), *options), tmp_path_factory.mktemp(name))
    try:
        started.start(processes.gateways)
        yield started
    finally:
        started.stop()


@pytest.fixture
async def fleet(processes: Fleet) -> AsyncGenerator[Fleet]:
    """A fleet that is well, and has been used by nobody today. After the test nothing is under way."""
    await processes.heal()
    processes.forget()
    yield processes
    for gateway in processes.gateways:
        if gateway.alive:
            await until(lambda g=gateway: _idle(processes, g), 20)


async def _idle(fleet: Fleet, gateway: Gateway) -> bool:
    return await fleet.in_flight(gateway) == 0


@pytest.fixture
async def clients(fleet: Fleet, proxy: Proxy) -> AsyncGenerator[dict[str, Client]]:
    """A client for each key, through the proxy, which knows that both gateways are there."""
    async with AsyncExitStack() as stack:
        limits = httpx.Limits(max_connections=100, max_keepalive_connections=0)
        http = httpx.AsyncClient(base_url=proxy.url, timeout=60, trust_env=False, limits=limits)
        await stack.enter_async_context(http)
        made = {name: Client(http, *fleet.keys[name]) for name in fleet.keys}
        seen = set[str]()

        async def both() -> bool:
            seen.add((await made["free"].ask(samples=1)).served_by)
            return len(seen - {""}) == 2

        await until(both, 30)
        yield made
