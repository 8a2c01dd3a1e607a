"""Several real processes on one socket: they share the work, are replaced when they die, and lose nothing."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from .crowd import STARTED

SECONDS = 40.0
"""How long the test waits for what should come soon: on a busy machine a process takes seconds to start."""

NEVER = "never"


@dataclass
class Crowd:
    process: Process
    http: httpx.AsyncClient
    started: Path

    async def line(self) -> str:
        """Return the next line it writes."""
        assert self.process.stdout
        async with asyncio.timeout(SECONDS):
            return (await self.process.stdout.readline()).decode().strip()

    async def get(self, path: str) -> dict[str, Any]:
        return (await self.http.get(path)).raise_for_status().json()

    async def wait(self, seconds: float, number: int = 1) -> "asyncio.Future[list[bool]]":
        """Ask so many times for what takes so long, and return once all of it runs; later whether it was cut short."""
        asking = asyncio.gather(*(self.get(f"/wait?{seconds}") for _ in range(number)))
        for _ in range(number):
            assert (await self.line()).startswith("waits")
        return asyncio.ensure_future(_cuts(asking))

    async def pids(self, number: int) -> set[int]:
        """Return who answers, once so many do."""
        found = set[int]()
        async with asyncio.timeout(SECONDS):
            while len(found) < number:
                found |= {reply["pid"] for reply in await asyncio.gather(*(self.get("/pid") for _ in range(4)))}
        return found

    async def ended(self) -> int:
        async with asyncio.timeout(SECONDS):
            return await self.process.wait()


async def _cuts(asking: Awaitable[list[dict[str, Any]]]) -> list[bool]:
    return [reply["cut"] for reply in await asking]


Start = Callable[..., Any]


@pytest.fixture
def crowd(tmp_path: Path) -> Start:
    """Start processes, and see that none is left."""

    @asynccontextmanager
    async def started(
        number: int = 2, drain: float = 0.0, stop: float | str = NEVER, how: str = "well"
    ) -> AsyncGenerator[Crowd]:
        arguments = ("-m", "tests.server.web.crowd", str(number), str(drain), str(stop), how)
        count = tmp_path / "started"
        process = await asyncio.create_subprocess_exec(
            sys.executable, *arguments, env={**os.environ, STARTED: str(count)}, stdout=asyncio.subprocess.PIPE
        )
        async with httpx.AsyncClient(timeout=SECONDS, trust_env=False) as http:
            running = Crowd(process, http, count)
            try:
                first = await running.line()
                if first.startswith("listens"):
                    http.base_url = first.split()[1]
                    yield running
                else:
                    yield Crowd(process, http, Path(first))
            finally:
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()

    return started


def _exists(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


async def gone(pids: set[int]) -> None:
    async with asyncio.timeout(SECONDS):
        while any(_exists(pid) for pid in pids):  # noqa: ASYNC110 - other processes
            await asyncio.sleep(0.02)


async def test_they_answer_under_one_address_that_is_told_once(crowd: Start) -> None:
    async with crowd(2) as running:
        pids = await running.pids(2)
        running.process.terminate()
        assert await running.ended() == 0
        rest = (await running.process.stdout.read()).decode().split("\n")
        assert sorted(rest) == sorted(["", *(f"buried {pid}" for pid in pids)])
        await gone(pids)


@pytest.mark.parametrize("how", ["/die", "kill"])
async def test_one_that_dies_is_replaced(crowd: Start, how: str) -> None:
    async with crowd(2) as running:
        pids = await running.pids(2)
        if how == "kill":
            dead = min(pids)
            os.kill(dead, signal.SIGKILL)
            assert await running.line() == f"buried {dead}"
        else:
            with pytest.raises(httpx.HTTPError):
                await running.get("/die")
            dead = int((await running.line()).split()[1])
        found = await running.pids(2)
        assert dead not in found
        assert len(pids & found) == 1


async def test_one_that_fails_to_start_is_started_again(crowd: Start) -> None:
    async with crowd(2, how="once") as running:
        await running.pids(2)
        assert running.started.stat().st_size == 3


async def test_a_signal_to_stop_loses_no_request_that_runs(crowd: Start) -> None:
    async with crowd(2) as running:
        pids = await running.pids(2)
        asking = await running.wait(1.0, 8)
        running.process.terminate()
        assert await asking == [False] * 8
        assert await running.ended() == 0
        await gone(pids)


async def test_after_a_time_what_runs_is_cut_short(crowd: Start) -> None:
    async with crowd(2, stop=0.3) as running:
        asking = await running.wait(600.0, 8)
        running.process.terminate()
        assert await asking == [True] * 8
        assert await running.ended() == 0


async def test_nothing_is_cut_short_while_requests_are_still_taken(crowd: Start) -> None:
    async with crowd(1, drain=1.0, stop=0.0) as running:
        await running.pids(1)
        running.process.terminate()
        assert (await running.get("/wait?0.3"))["cut"] is False
        assert await running.ended() == 0


async def test_a_second_signal_does_not_wait(crowd: Start) -> None:
    async with crowd(1, drain=600.0) as running:
        asking = await running.wait(600.0)
        running.process.send_signal(signal.SIGINT)
        with pytest.raises(TimeoutError):  # it drains
            await asyncio.wait_for(asyncio.shield(asking), 0.3)
        running.process.send_signal(signal.SIGINT)
        assert await asking == [True]
        assert await running.ended() == 0


async def test_workers_stop_when_the_one_that_looks_after_them_has_died(crowd: Start) -> None:
    async with crowd(2) as running:
        pids = await running.pids(2)
        running.process.kill()
        await gone(pids)


@pytest.mark.parametrize(
    ("how", "said"), [("refused", "this makes no sense"), ("died", "no worker could start; the log says why")]
)
async def test_where_none_can_start_the_reason_is_told(crowd: Start, how: str, said: str) -> None:
    async with crowd(2, how=how) as running:
        line = str(running.started)
        while line.startswith("buried"):
            line = await running.line()
        assert line == f"refused {said}"
        assert await running.ended() == 0
