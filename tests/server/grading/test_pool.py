import asyncio
import logging
import os
import signal
import sys
from typing import Any

import pytest

from server.grading import GraderOptions
from server.grading.pool import Allowance, Pool, Worker

SLOW = (r"\int_0^\infty \frac{\sin(x^{x})}{x^{\sqrt{x}}}dx",)


def patient() -> Allowance:
    return Allowance(20.0, 20.0)


def process(pool: Pool) -> Any:
    return pool._idle[-1]._process


def python(monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    """Let workers run this program instead."""
    start = asyncio.create_subprocess_exec

    async def run(*_command: str, **options: Any):
        return await start(sys.executable, "-c", program, **options)

    monkeypatch.setattr(asyncio, "create_subprocess_exec", run)


async def test_workers_start_when_asked_and_end_when_closed():
    pool = Pool(GraderOptions())
    assert all(worker._process is None for worker in pool._idle)
    assert await pool.ask(("x", "1x"), patient()) == "equal"
    started = [worker._process for worker in pool._idle if worker._process]
    assert len(started) == 1
    await pool.close()
    assert started[0].returncode is not None
    await pool.close()


async def test_a_slow_question_gets_none_and_the_next_an_answer():
    pool = Pool(GraderOptions(workers=1))
    await pool.ask(("1",), patient())
    before = process(pool)
    assert await pool.ask(SLOW, Allowance(0.2, 0.2)) is None
    assert await pool.ask(("x", "1x"), patient()) == "equal"
    assert process(pool) is before  # only its child was replaced
    await pool.close()


async def test_a_cancelled_asker_leaves_a_pool_that_works():
    pool = Pool(GraderOptions(workers=1))
    await pool.ask(("1",), patient())
    running = asyncio.create_task(pool.ask(SLOW, Allowance(0.2, 0.2)))
    waiting = asyncio.create_task(pool.ask(("x",), patient()))
    await asyncio.sleep(0)
    for task in (running, waiting):
        task.cancel()
    await asyncio.gather(running, waiting, return_exceptions=True)
    assert await pool.ask(("x", "1x"), patient()) == "equal"
    assert not pool._asking
    await pool.close()


async def test_closing_cancels_who_waits(monkeypatch: pytest.MonkeyPatch):
    python(monkeypatch, "input()")  # never ready
    pool = Pool(GraderOptions(workers=1))
    worker = pool._idle[0]
    asking = asyncio.create_task(pool.ask(("x", "1x"), patient()))
    while worker._process is None:  # noqa: ASYNC110 - nothing tells
        await asyncio.sleep(0.001)
    await pool.close()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert worker._process is None


async def test_first_come_first_served(monkeypatch: pytest.MonkeyPatch):
    served = list[tuple[str, ...]]()

    async def ask(_self: Worker, texts: tuple[str, ...], _allowance: Allowance) -> str:
        served.append(texts)
        await asyncio.sleep(0)
        return "mark"

    monkeypatch.setattr(Worker, "ask", ask)
    pool = Pool(GraderOptions(workers=1))

    async def cluster(name: str) -> None:
        for i in range(3):
            await pool.ask((f"{name}{i}",), patient())

    await asyncio.gather(cluster("a"), cluster("b"))
    assert served == [("a0",), ("b0",), ("a1",), ("b1",), ("a2",), ("b2",)]


async def test_a_dead_worker_is_replaced(caplog: pytest.LogCaptureFixture):
    pool = Pool(GraderOptions(workers=1))
    await pool.ask(("1",), patient())
    first = process(pool)
    os.kill(first.pid, signal.SIGKILL)
    await first.wait()
    assert await pool.ask(("x",), patient()) is None
    assert "replaced" in caplog.text
    assert await pool.ask(("x", "1x"), patient()) == "equal"
    await pool.close()


@pytest.mark.parametrize(
    "program",
    [
        "raise SystemExit",
        "print('\"ready\"', flush=True); input(); print('no json', flush=True); input()",
        "print('\"ready\"', flush=True); input()",
    ],
)
async def test_a_worker_that_talks_nonsense_is_given_up(
    program: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.WARNING)
    python(monkeypatch, program)
    pool = Pool(GraderOptions(workers=1))
    assert await pool.ask(("x",), patient()) is None
    assert process(pool) is None
    assert "replaced" in caplog.text
    await pool.close()


async def test_a_worker_that_neither_answers_nor_ends_is_killed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("server.grading.pool._GRACE", 0.1)
    monkeypatch.setattr("server.grading.pool._SECONDS_TO_END", 0.1)
    python(
        monkeypatch,
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('\"ready\"', flush=True);"
        "[time.sleep(1) for _ in range(600)]",
    )
    pool = Pool(GraderOptions(workers=1))
    spent = Allowance(0.1, 0.1)
    assert await pool.ask(("x",), spent) is None
    assert spent.left <= 0
    await pool.close()


def test_an_allowance_gives_each_question_no_more_than_is_left():
    allowance = Allowance(1.0, 2.5)
    allowance.left -= 1.0
    assert (allowance.next, allowance.whole) == (1.0, True)
    allowance.left -= 1.0
    assert (allowance.next, allowance.whole) == (0.5, False)
