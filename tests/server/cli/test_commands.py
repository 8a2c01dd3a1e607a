"""The commands as a person types them, with the shipped models."""

import json
import pty
import re
import signal
import subprocess
import sys
from os import close, environ, read
from pathlib import Path
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


def test_evaluating_writes_a_table_a_json_and_a_plot_and_continues_where_it_stopped(tmp_path: Path):
    results, records = tmp_path / "r.json", tmp_path / "r.records.jsonl"
    options = ["eval", "--problems", "10", "--timed", "1", "--json", str(results)]
    first = cogitate(*options, "--arms", "greedy@1,weighted_best_of_n@2")
    assert first.returncode == 0, first.stderr
    assert "weighted_best_of_n" in first.stdout
    done = json.loads(results.read_text())
    assert [(r["strategy"], r["samples"]) for r in done["rows"]] == [("greedy", 1), ("weighted_best_of_n", 2)]
    assert done["rows"][0]["levels"]["1"]["mean"] > done["rows"][0]["levels"]["5"]["mean"]
    assert {c["second"] for c in done["comparisons"]} == {"greedy@1"}
    assert (tmp_path / "r.png").read_bytes().startswith(b"\x89PNG")
    before = records.read_text().splitlines()
    again = cogitate(*options, "--arms", "greedy@1,majority_voting@2")
    assert again.returncode == 0, again.stderr
    after = records.read_text().splitlines()
    assert after[: len(before)] == before
    assert len(after) == len(before) + 10  # only the new row was run


def test_records_of_another_evaluation_are_not_mixed_in(tmp_path: Path):
    options = ["eval", "--problems", "5", "--timed", "0", "--arms", "greedy@1", "--json", str(tmp_path / "r.json")]
    assert cogitate(*options).returncode == 0
    other = cogitate(*options, "--seed", "1")
    assert other.returncode == 2
    assert "another evaluation" in other.stderr


@pytest.mark.parametrize(
    "option", [["--arms", "luck@3"], ["--arms", "dvts"], ["--split", "exam"], ["--json", "no/such/folder/r.json"]]
)
def test_an_evaluation_that_makes_no_sense_is_refused(option: list[str]):
    done = cogitate("eval", "--problems", "5", *option)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
