import io
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from server.grading import equivalence, worker
from server.grading.worker import Keeper, respond

MEMORY = 2**29
HOLDER = """
import asyncio
from server.grading import Grader
async def main():
    grader = Grader()
    await grader.start()
    asking = asyncio.create_task(grader.compare({text!r}, "y"))
    await asyncio.sleep(0.2)
    print(grader._pool._idle[-1]._process.pid if not grader._pool._asking else "busy", flush=True)
    await asyncio.sleep(600)
asyncio.run(main())
"""
SLOW = r"\int_0^\infty \frac{\sin(x^{x})}{x^{\sqrt{x}}}dx"


def line(*texts: str, seconds: float = 20.0) -> bytes:
    return json.dumps({"texts": texts, "seconds": seconds}).encode()


@pytest.fixture
def keeper():
    made = Keeper(MEMORY, io.BytesIO())
    yield made
    made.close()


def test_one_text_gets_a_mark_and_two_a_verdict():
    assert respond({"texts": ["2"]}) == equivalence.mark("2")
    assert respond({"texts": ["x", "1x"]}) == "equal"


def test_what_the_libraries_cannot_stomach_gets_none(monkeypatch: pytest.MonkeyPatch):
    def fail(_text: str) -> str:
        raise RecursionError

    monkeypatch.setattr(equivalence, "mark", fail)
    assert respond({"texts": ["x"]}) is None


def test_a_child_that_ran_out_of_memory_does_not_go_on(monkeypatch: pytest.MonkeyPatch):
    def fail(_text: str) -> str:
        raise MemoryError

    monkeypatch.setattr(equivalence, "mark", fail)
    with pytest.raises(MemoryError):
        respond({"texts": ["x"]})


def test_a_slow_child_is_replaced(monkeypatch: pytest.MonkeyPatch):
    compare = equivalence.compare

    def slow(left: str, right: str) -> str:  # how slow algebra is depends on what its caches know
        if left == "slow":
            time.sleep(600)
        return compare(left, right)

    monkeypatch.setattr(equivalence, "compare", slow)
    keeper = Keeper(MEMORY, io.BytesIO())
    try:
        first = keeper._child.pid
        assert keeper.reply(line("slow", "y", seconds=0.1)) == b"null"
        assert keeper._child.pid != first
        assert keeper.reply(line("x", "1x")) == b'"equal"'
    finally:
        keeper.close()


def test_a_dead_child_is_replaced(keeper: Keeper):
    keeper._child.kill()
    keeper._child.join()
    assert keeper.reply(line("x")) == b"null"
    assert keeper.reply(line("x", "1x")) == b'"equal"'


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(equivalence, "mark", lambda _text: str(len(bytearray(MEMORY))))
    keeper = Keeper(MEMORY, io.BytesIO())
    assert keeper.reply(line("x")) == b"null"
    keeper.close()


def test_a_child_without_a_keeper_is_killed_by_the_kernel(keeper: Keeper, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(worker.equivalence, "mark", lambda _text: time.sleep(600))
    alone = Keeper(MEMORY, io.BytesIO())
    alone._line.send_bytes(line("x", seconds=-0.8))
    alone._child.join(20)
    assert alone._child.exitcode == -signal.SIGALRM
    alone.close()


def test_it_says_when_it_is_ready_and_ends_with_its_input():
    run = subprocess.run(
        [sys.executable, "-m", "server.grading.worker", str(MEMORY)],
        input=line("x", "1x") + b"\n" + line("x", "2x") + b"\n",
        capture_output=True,
        timeout=60,
        check=True,
    )
    assert run.stdout.split() == [b'"ready"', b'"equal"', b'"different"']


def test_it_ends_when_told_and_takes_its_child_along():
    with subprocess.Popen(
        [sys.executable, "-m", "server.grading.worker", str(MEMORY)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == worker.READY
        children = _children(process.pid)
        assert len(children) == 1
        process.send_signal(signal.SIGINT)  # of a terminal: for the server
        process.terminate()
        assert process.wait(20) == 0
        assert not any(_alive(pid) for pid in children)


def test_it_ends_when_nobody_hears():
    with subprocess.Popen(
        [sys.executable, "-m", "server.grading.worker", str(MEMORY)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        process.stdin.write(line("x") + b"\n")
        process.stdin.flush()
        assert process.wait(20) == 0


@pytest.mark.skipif(not Path("/proc").exists(), reason="processes are looked up in /proc")
@pytest.mark.parametrize("text", ["x+1", SLOW])
def test_workers_do_not_outlive_a_killed_server(text: str):
    server = subprocess.Popen([sys.executable, "-c", HOLDER.format(text=text)], stdout=subprocess.PIPE)
    assert server.stdout is not None
    server.stdout.readline()
    keepers = _children(server.pid)
    pids = [*keepers, *(child for keeper in keepers for child in _children(keeper))]
    assert len(pids) == 2
    server.kill()
    server.communicate()
    until = time.monotonic() + 60
    while any(map(_alive, pids)) and time.monotonic() < until:
        time.sleep(0.01)
    assert not any(map(_alive, pids))


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False
