"""Several worker processes: whichever is asked answers for all."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from prometheus_client import multiprocess

from .exposition import Scrape

POOL = {"model": "math", "role": "generator"}


class Worker:
    """A process that counts."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def told(self, order: str) -> Scrape:
        """Tell it something; return what it exposes then."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(f"{order}\n".encode())
        await self.process.stdin.drain()
        line = await asyncio.wait_for(self.process.stdout.readline(), 60)
        return Scrape(json.loads(line).encode())


@asynccontextmanager
async def worker(folder: Path | None) -> AsyncGenerator[Worker]:
    environment = {**os.environ, **({"PROMETHEUS_MULTIPROC_DIR": str(folder)} if folder else {})}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.server.observers.worker",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env=environment,
        limit=2**22,
    )
    try:
        yield Worker(process)
    finally:
        try:
            await asyncio.wait_for(process.communicate(b""), 30)  # the end of its input is its end
        finally:
            if process.returncode is None:
                process.kill()


@pytest.fixture
async def workers(tmp_path: Path) -> AsyncGenerator[tuple[Worker, Worker]]:
    async with worker(tmp_path) as one, worker(tmp_path) as other:
        yield one, other


async def test_any_worker_answers_for_all(workers: tuple[Worker, Worker]) -> None:
    one, other = workers
    await one.told("count 3")
    asked = await other.told("count 5")
    assert asked.series == (await one.told("show")).series
    assert asked("cogitate_requests_total", model="math", outcome="answered", stream="true") == 8
    assert asked("cogitate_generated_tokens_total", model="math", strategy="dvts") == 8 * 300
    assert asked("cogitate_request_duration_seconds_count", model="math", outcome="answered") == 8
    assert asked("cogitate_request_duration_seconds_bucket", model="math", outcome="answered", le="+Inf") == 8
    assert asked("cogitate_ejections_total", reason="dead", **POOL) == 2
    assert asked("cogitate_requests_total", model="math", outcome="internal", stream="true") == 0


async def test_gauges_are_summed_where_that_makes_sense(workers: tuple[Worker, Worker]) -> None:
    one, other = workers
    await one.told("count 3")
    asked = await other.told("count 5")
    summed = ("cogitate_workers", "cogitate_requests_in_flight", "cogitate_queue_requests", "cogitate_capacity_samples")
    assert [asked(name) for name in summed] == [2, 2, 2, 200]
    assert asked("cogitate_samples_in_flight") == 8
    assert asked("cogitate_replicas", state="up", **POOL) == 5
    assert asked("cogitate_model_up", model="math") == 0
    assert asked("cogitate_build_info", version="1") == 1
    assert asked("cogitate_policy_info", model="math", policy="calibrated", digest="ab12") == 1


async def test_a_killed_worker_takes_what_was_under_way_with_it_and_leaves_what_it_counted(
    workers: tuple[Worker, Worker], tmp_path: Path
) -> None:
    one, other = workers
    await one.told("count 3")
    await other.told("count 5")
    other.process.kill()
    await other.process.wait()
    multiprocess.mark_process_dead(other.process.pid, str(tmp_path))  # as whoever looks after the workers does
    left = await one.told("show")
    assert left("cogitate_requests_total", model="math", outcome="answered", stream="true") == 8
    assert [left(name) for name in ("cogitate_workers", "cogitate_requests_in_flight")] == [1, 1]
    assert left("cogitate_samples_in_flight") == 3
    assert left("cogitate_capacity_samples") == 100
    assert left("cogitate_replicas", state="up", **POOL) == 3
    assert left("cogitate_model_up", model="math") == 1


async def test_one_worker_alone_tells_of_its_process_and_several_do_not(tmp_path: Path) -> None:
    async with worker(None) as alone, worker(tmp_path) as shared:
        one, several = await alone.told("count 1"), await shared.told("count 1")
    assert {name for name in one.names.keys() - several.names.keys() if not name.startswith("process_")} == set()
    assert "process_resident_memory_bytes" in one.names
    assert several.names.keys() <= one.names.keys()
    assert {series for series in one.series if not series[0].startswith("process_")} == several.series.keys()
