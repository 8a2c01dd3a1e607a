"""The commands as a person types them, with the shipped models."""

import json
import pty
import re
import signal
import subprocess
import sys
from os import close, environ, read
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from router.policy.names import STRATEGIES
from server.cli.app import app

QUESTION = "What is 3 + 4 * 5?"


def cogitate(*arguments: str, given: str | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "server", *arguments],
        capture_output=True,
        text=True,
        input=given,
        env={**environ, **environment},
        timeout=120,
        check=False,
    )


def test_asking_in_a_pipe_prints_the_bare_answer():
    done = cogitate("ask", QUESTION, "--budget", "low")
    assert (done.stdout, done.stderr, done.returncode) == ("23\n", "", 0)


def test_the_question_can_come_from_standard_input():
    assert cogitate("ask", "-", given=f"{QUESTION}\n").stdout == "23\n"


def test_a_question_outside_the_family_gets_an_answer_and_a_notice():
    done = cogitate("ask", "What is the capital of France?", "--budget", "minimal")
    assert done.returncode == 0
    assert done.stdout.strip()
    assert "only knows" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--budget", "enormous"], "--budget"),
        (["--budget", "samples=0"], "--budget"),
        (["--strategy", "luck"], "strategy"),
    ],
)
def test_bad_options_are_named_and_exit_with_2(arguments: list[str], named: str):
    done = cogitate("ask", QUESTION, *arguments)
    assert done.returncode == 2
    assert named in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", [["ask", QUESTION], ["serve", "--host", "127.0.0.1"]])
@pytest.mark.parametrize(("name", "told"), [("COGITATE_PORT", "port"), ("COGITATE_WEIGHTS", "nowhere")])
def test_settings_that_make_no_sense_are_told_and_exit_with_2(command: list[str], name: str, told: str):
    done = cogitate(*command, **{name: "nowhere"})
    assert done.returncode == 2
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_a_text_that_time_cut_is_no_answer():
    done = cogitate("ask", "Compute 360 / 10 + (270 * 72 + (900 + 185 * 44)).", "--budget", "tokens=5")
    assert done.returncode == 1
    assert "cut" in done.stderr


def test_the_version_is_told():
    done = cogitate("--version")
    assert (done.returncode, done.stdout.count(".")) == (0, 2)


def test_an_empty_question_is_refused():
    done = cogitate("ask", "   ")
    assert (done.returncode, done.stdout) == (2, "")


def test_a_question_longer_than_the_context_is_refused():
    done = cogitate("ask", "-", given="7 + " * 2000 + "7")
    assert done.returncode == 1
    assert "context" in done.stderr


def test_a_terminal_sees_the_progress_and_the_solution():
    leader, follower = pty.openpty()
    child = subprocess.Popen(
        [sys.executable, "-m", "server", "ask", QUESTION, "--budget", "samples=8", "--strategy", "dvts"],
        stdout=follower,
        stderr=follower,
        env={**environ, "TERM": "xterm", "COLUMNS": "120"},
    )
    close(follower)
    shown = b""
    try:
        while piece := read(leader, 65536):
            shown += piece
    except OSError:  # the terminal is closed when its last writer ends
        pass
    close(leader)
    assert child.wait(timeout=60) == 0
    text = shown.decode()
    assert "Plan: dvts with n = 8" in text
    assert "## Step 1" in text
    assert "scorer tokens" in text


def test_serving_says_what_to_try_and_that_works():
    server = subprocess.Popen(
        [sys.executable, "-m", "server", "serve", "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert server.stdout
        lines = list[str]()
        while not any(line.startswith("    -d") for line in lines):
            lines.append(server.stdout.readline())
            assert lines[-1], "the server ended"
        command = "".join(lines[next(i for i, line in enumerate(lines) if "curl" in line) :])
        url = re.search(r"http://\S+/v1/chat/completions", command)
        body = re.search(r"-d '(.*)'", command)
        assert url
        assert body
        reply = _patient(url[0], body[1])
        assert reply["compute"]["answer"] == "(16 + 11) * 3"
    finally:
        server.send_signal(signal.SIGTERM)
        server.communicate(timeout=30)
    assert server.returncode in (0, -signal.SIGTERM)


def _patient(url: str, body: str) -> dict[str, Any]:
    """Ask as the line says, waiting while the models load."""
    headers = {"content-type": "application/json", "X-Compute-Budget": "high"}
    transport = httpx.HTTPTransport(retries=3)
    with httpx.Client(transport=transport, timeout=60) as client:
        while (reply := client.post(url, content=body, headers=headers)).status_code == 503:
            pass
    return reply.json()


@pytest.mark.parametrize("options", [["--port", "70000"], ["--host", "no.such.host.invalid", "--port", "0"]])
def test_serving_where_it_cannot_is_refused(options: list[str]):
    done = cogitate("serve", *options)
    assert done.returncode != 0
    assert "Traceback" not in done.stderr


def test_settings_that_make_no_sense_are_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COGITATE_DEFAULT_BUDGET", "enormous")
    done = cogitate("serve", "--port", "0")
    assert done.returncode == 2
    assert "default budget" in done.stderr
    assert "Traceback" not in done.stderr


def test_every_strategy_is_listed_for_people_and_for_programs():
    table = CliRunner().invoke(app, ["strategies"], env={"COLUMNS": "160"})
    listed = CliRunner().invoke(app, ["strategies", "--json"])
    assert all(name in table.stdout for name in STRATEGIES)
    assert [e["name"] for e in json.loads(listed.stdout)] == list(STRATEGIES)
