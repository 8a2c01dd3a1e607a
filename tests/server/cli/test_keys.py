"""`cogitate keys`, as an operator types it."""

import json
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from os import environ
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from server.cli.app import app
from server.keys import Keyring, keyfile


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys.json"


def keys(*arguments: str, path: Path | None = None) -> Result:
    environment = {"COGITATE_KEYS": str(path) if path else None}
    return CliRunner().invoke(app, ["keys", *arguments], env=environment)


def test_a_key_is_made_with_its_limits_and_its_token_is_told_once(path: Path):
    options = {
        "requests-per-minute": 60,
        "compute-per-minute": 100_000,
        "requests-per-day": 1000,
        "compute-per-day": 1_000_000,
        "max-samples": 16,
        "max-compute": 20_000,
    }
    given = [part for name, value in options.items() for part in (f"--{name}", str(value))]
    words = (
        "--scope chat --scope metrics --model small --model large --strategy greedy --priority low --expires 2999-01-31"
    )
    done = keys("create", "team-a", *given, *words.split(), path=path)
    assert done.exit_code == 0
    assert re.fullmatch(r"cog_[\w-]{43}\n", done.stdout)
    assert "team-a" in done.stderr
    token = done.stdout.strip()
    key = Keyring.read(path).find(token)
    assert key is not None
    for name, value in options.items():
        assert getattr(key.limits, name.replace("-", "_")) == value
    assert (key.limits.models, key.limits.strategies) == ({"small", "large"}, {"greedy"})
    assert (key.scopes, key.priority, str(key.expires)) == ({"chat", "metrics"}, "low", "2999-01-31")
    listed = keys("list", path=path)
    assert listed.exit_code == 0
    for word in ("team-a", key.id, "chat, metrics", "compute per day: 1,000,000", "large, small", "low", "2999-01-31"):
        assert word in listed.stdout
    assert token[4:12] not in listed.output + path.read_text() + done.stderr
    assert key.digest[:12] not in listed.output


def test_a_key_without_options_may_chat_and_list_models_without_bounds(path: Path):
    token = keys("create", "plain", "--file", str(path)).stdout.strip()
    key = Keyring.read(path).find(token)
    assert key is not None
    assert key.scopes == {"chat", "models"}
    assert not key.limits.bounded
    assert key.limits.models is key.limits.strategies is key.expires is None


def test_an_expired_key_is_listed_as_such(path: Path):
    keys("create", "old", path=path)
    found = json.loads(path.read_text())
    found["keys"][0]["expires"] = "2020-02-29"
    path.write_text(json.dumps(found))
    assert "2020-02-29 (has expired)" in keys("list", path=path).stdout


@pytest.mark.parametrize("by", ["name", "id"])
def test_a_key_is_revoked_by_its_name_or_id(path: Path, by: str):
    for name in ("one", "two"):
        keys("create", name, path=path)
    gone = getattr(keyfile.read(path)[0], by)
    assert keys("revoke", gone, path=path).exit_code == 0
    assert [key.name for key in keyfile.read(path)] == ["two"]
    again = keys("revoke", gone, path=path)
    assert (again.exit_code, "there is no key" in again.stderr) == (2, True)


def test_a_name_is_given_once(path: Path):
    first = keys("create", "one", path=path)
    second = keys("create", "one", path=path)
    assert (first.exit_code, second.exit_code, second.stdout) == (0, 2, "")
    assert "there is a key one already" in second.stderr


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["two words"], "name: has up to 64"),
        (["a", "--scope", "everything"], "scopes"),
        (["a", "--strategy", "luck"], "there is no strategy luck"),
        (["a", "--priority", "first"], "priority"),
        (["a", "--expires", "soon"], "a day looks like"),
        (["a", "--expires", str(datetime.now(UTC).date() - timedelta(2))], "has passed"),
        (["a", "--max-samples", "0"], "--max-samples"),
        (["a", "--requests-per-day", "1" + "0" * 13], "requests_per_day"),
    ],
)
def test_options_that_make_no_sense_are_named_and_nothing_is_made(path: Path, options: list[str], told: str):
    done = keys("create", *options, path=path)
    assert (done.exit_code, done.stdout) == (2, "")
    assert told in done.stderr
    assert not path.exists()


@pytest.mark.parametrize("command", [["create", "a"], ["list"], ["revoke", "a"]])
def test_without_a_file_or_with_one_that_cannot_be_used_that_is_told(path: Path, command: list[str]):
    nowhere = keys(*command)
    assert (nowhere.exit_code, "COGITATE_KEYS" in nowhere.stderr) == (2, True)
    path.write_text("{")
    path.chmod(0o600)
    broken = keys(*command, path=path)
    assert (broken.exit_code, "not JSON" in broken.stderr, path.read_text()) == (2, True, "{")
    missing = keys(*command, path=path / "under" / "a file")
    assert missing.exit_code == 2
    assert missing.stderr


def test_commands_at_the_same_time_lose_no_key(path: Path):
    made = [
        subprocess.Popen(
            [sys.executable, "-m", "server", "keys", "create", f"k{number}"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**environ, "COGITATE_KEYS": str(path)},
        )
        for number in range(4)
    ]
    tokens = [process.communicate(timeout=60)[0].strip() for process in made]
    keyring = Keyring.read(path)
    assert {key.name for token in tokens if (key := keyring.find(token))} == {"k0", "k1", "k2", "k3"}
