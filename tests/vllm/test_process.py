"""What the other tests do to servers: each server is one process group, which ends with the tests."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from .process import Server, start

SUPERVISOR = Path(__file__).with_name("supervise.py")
ENDLESS = "import os, time; os.fork(); os.write(2, f'{os.getpid()}\\n'.encode()); time.sleep(600)"


@pytest.mark.parametrize("stopped", [False, True], ids=["running", "stopped"])
@pytest.mark.parametrize("signalled", [False, True], ids=["end of input", "signal"])
def test_whoever_leaves_takes_the_whole_group_along(stopped: bool, signalled: bool) -> None:
    command = [sys.executable, SUPERVISOR, sys.executable, "-c", ENDLESS]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as supervisor:
        assert supervisor.stdin
        assert supervisor.stdout
        assert supervisor.stderr
        group = int(supervisor.stdout.readline())
        both = {int(supervisor.stderr.readline()) for _ in range(2)}
        assert {os.getpgid(process) for process in both} == {group}
        if stopped:
            os.killpg(group, signal.SIGSTOP)
        if signalled:
            supervisor.terminate()
        else:
            supervisor.stdin.close()
        supervisor.wait(60)
        assert not supervisor.stderr.read(), "end of file: nobody is left who could write"


def test_a_supervisor_ends_with_its_command() -> None:
    command = [sys.executable, SUPERVISOR, sys.executable, "-c", "import sys; sys.exit(3)"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as supervisor:
        assert supervisor.wait(30) == 3


def test_a_frozen_replica_says_nothing_and_goes_on_when_thawed(generators: list[Server]) -> None:
    generators[1].freeze()
    try:
        with pytest.raises(httpx.ReadTimeout):
            httpx.get(f"{generators[1].url}/health", timeout=0.5, trust_env=False)
    finally:
        generators[1].thaw()
    start([generators[1]])  # fails unless it answers again


def test_a_killed_replica_is_gone_and_comes_back_at_its_address(generators: list[Server]) -> None:
    url = generators[1].url
    generators[1].kill()
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/health", trust_env=False)
    generators[1].restart()
    assert httpx.get(f"{url}/v1/models", trust_env=False).json()["data"][0]["id"] == "generator"
