"""When `cogitate serve` refuses to start, and what it says then."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import orjson
import pytest

from server.cli import serve as command
from server.cli.faults import words
from server.settings import Settings
from server.wiring.exposure import is_loopback, refusals

EVERYWHERE = "0.0.0.0"  # noqa: S104 - nothing listens there


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("COGITATE_")]:
        monkeypatch.delenv(name)


def key_file(folder: Path, **limits: int) -> Path:
    path = folder / "keys.json"
    entry = {"id": "key_1", "name": "one", "digest": "0" * 64, "limits": limits}
    path.write_bytes(orjson.dumps({"version": 1, "keys": [entry]}))
    path.chmod(0o600)
    return path


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.1.2.3", True),
        ("::1", True),
        ("localhost", True),
        (EVERYWHERE, False),
        ("::", False),
        ("192.0.2.1", False),
        ("", False),
        ("nothing.invalid", False),
    ],
)
def test_what_only_this_machine_can_reach(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


def test_beyond_this_machine_somebody_must_say_who_may_ask(tmp_path: Path) -> None:
    (said,) = refusals(Settings(host=EVERYWHERE))
    assert "COGITATE_HOST" in said
    assert "COGITATE_KEYS" in said
    assert "COGITATE_ANONYMOUS" in said
    assert refusals(Settings(host=EVERYWHERE, anonymous=True)) == []
    assert refusals(Settings(host=EVERYWHERE, keys=key_file(tmp_path))) == []
    assert refusals(Settings()) == []


def test_several_workers_count_in_one_place(tmp_path: Path) -> None:
    limited = key_file(tmp_path, requests_per_minute=5)
    (said,) = refusals(Settings(keys=limited, workers=2))
    assert "COGITATE_REDIS" in said
    assert refusals(Settings(keys=limited, workers=1)) == []
    assert refusals(Settings(keys=limited, workers=2, redis="redis://localhost")) == []  # type: ignore[arg-type]
    assert refusals(Settings(keys=key_file(tmp_path), workers=2)) == []


def test_a_file_of_keys_that_cannot_be_used_is_told_with_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    said = refusals(Settings(keys=path, workers=2))
    assert said
    assert all(line.startswith("COGITATE_KEYS: ") for line in said)


def test_a_refusal_ends_in_2_before_anything_is_started(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "run", lambda *_: pytest.fail("it was started"))
    assert command.serve(host=EVERYWHERE, port=None) == 2
    assert "COGITATE_ANONYMOUS" in capsys.readouterr().err


def test_settings_are_told_all_at_once_by_option_and_variable(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COGITATE_PORT", "http")
    monkeypatch.setenv("COGITATE_REDIS", "a secret with spaces")
    assert command.serve(port=None) == 2
    said = capsys.readouterr().err
    assert "--port or COGITATE_PORT: " in said
    assert "  COGITATE_REDIS: " in said
    assert "secret" not in said


def test_a_setting_within_a_model_is_named_with_its_place() -> None:
    with pytest.raises(ValueError, match="slots") as fault:
        Settings(models=[{"name": "a", "generators": ["http://a:1"], "slots": 0}])  # type: ignore[list-item]
    (said,) = words(fault.value, "COGITATE_")
    assert said.startswith("COGITATE_MODELS[0].slots: ")


def test_a_fault_of_several_settings_has_no_place() -> None:
    with pytest.raises(ValueError, match="generators") as fault:
        Settings(served="a")
    assert words(fault.value, "COGITATE_") == ["'served' without 'generators', and the embedded model takes none"]


def test_a_port_in_use_is_told_in_plain_words_with_several_workers(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert command.serve(port=taken.getsockname()[1], workers=2) == 2
    assert "cannot listen on 127.0.0.1" in capsys.readouterr().err


def test_workers_tell_why_they_cannot_start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "server", "serve", "--workers", "2", "--port", "0"],
        env={**os.environ, "COGITATE_POLICY": str(tmp_path / "nothing.json")},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 2
    assert "COGITATE_POLICY names the policy file" in done.stderr
    assert "Traceback" not in done.stderr


def test_several_workers_answer_and_count_together(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "server", "serve", "--workers", "2", "--port", "0"],
        env={**os.environ, "TMPDIR": str(tmp_path), "COGITATE_LOG_LEVEL": "critical"},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            _ask_several_workers(process)
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0
            assert not list(tmp_path.glob("cogitate-metrics-*"))
        finally:
            process.kill()


def _ask_several_workers(process: subprocess.Popen[str]) -> None:
    assert process.stdout
    process.stdout.readline()
    url = process.stdout.readline().split()[3]
    body = {"messages": [{"role": "user", "content": "What is 3 + 4?"}]}
    for _ in range(8):
        with httpx.Client(base_url=url, timeout=60, trust_env=False) as http:  # a connection of its own
            while http.get("/ready").status_code != 200:
                pass
            assert http.post("/v1/chat/completions", json=body).status_code == 200
    told = httpx.get(f"{url}/metrics", trust_env=False).text
    counted = [line for line in told.splitlines() if line.startswith("cogitate_requests_total{")]
    assert sum(float(line.split()[-1]) for line in counted) == 8
