"""`cogitate doctor`, against servers that are well and such that are not."""

import asyncio
import json
import os
import socket
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import orjson
import pytest
from fastapi import FastAPI
from starlette.responses import Response

from server.cli import backends, surroundings
from server.cli.checkup import Check, Doubt, Finding, Result, run
from server.cli.doctor import doctor
from server.settings import Settings
from server.wiring.policies import SHIPPED
from tests.fakes.vllm import serving as fake_vllm
from tests.server.gateway.serving import serving
from tests.server.keys.redis_server import RedisServer, needs_redis
from tests.server.prm.serving import answering

SECRET = "hunter2-hunter2"


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting comes from the environment of the tests, and the port is free."""
    for name in [name for name in os.environ if name.startswith(("COGITATE_", "OTEL_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("COGITATE_PORT", "0")


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """Something that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def found(findings: list[Finding], check: str) -> tuple[Result, str]:
    (finding,) = [f for f in findings if f.check.startswith(check)]
    return finding.result, finding.said


def around(environment: dict[str, str] | None = None, **fields: Any) -> list[Finding]:
    settings = Settings(port=0, **fields)
    return asyncio.run(run(list(surroundings.checks_of(settings, environment or {}))))


async def of_models(**fields: Any) -> list[Finding]:
    return await run(await backends.checks_of(Settings(**fields)))


def key(**fields: Any) -> dict[str, Any]:
    entry = {"id": "key_1", "name": "one", "digest": "0" * 64, **fields}
    return {name: value for name, value in entry.items() if value is not None}


def key_file(folder: Path, *keys: dict[str, Any]) -> Path:
    path = folder / "keys.json"
    path.write_bytes(orjson.dumps({"version": 1, "keys": list(keys)}))
    path.chmod(0o600)
    return path


def told(capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    """What was printed, by check."""
    return {f["check"]: f["result"] for f in json.loads(capsys.readouterr().out)}


def test_the_embedded_default_is_well(capsys: pytest.CaptureFixture[str]) -> None:
    assert doctor() == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0].split(maxsplit=1) for line in lines] == [
        ["ok", "settings"],
        ["ok", "variables"],
        ["ok", "port"],
        ["ok", "policy of cogitate-embedded"],
        ["ok", "model cogitate-embedded"],
    ]


def test_settings_are_told_all_at_once_by_name_and_without_their_values(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COGITATE_WORKERS", "0")
    monkeypatch.setenv("COGITATE_API_KEY", f"{SECRET} with spaces")
    monkeypatch.setenv("COGITATE_TRACE_RATIO", "much")
    assert doctor() == 2
    out = capsys.readouterr().out
    assert [line.split()[:3] for line in out.splitlines()] == [
        ["FAILED", "settings:", f"COGITATE_{name}:"] for name in ("API_KEY", "WORKERS", "TRACE_RATIO")
    ]
    assert SECRET not in out


def test_what_serve_refuses_the_doctor_refuses_and_looks_at_the_rest(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COGITATE_HOST", "0.0.0.0")  # noqa: S104 - it is refused
    assert doctor(as_json=True) == 2
    assert told(capsys) == {
        "settings": "failed",
        "variables": "ok",
        "port": "ok",
        "policy of cogitate-embedded": "ok",
        "model cogitate-embedded": "ok",
    }


def test_what_fails_ends_in_1(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COGITATE_WEIGHTS", "/nowhere")
    assert doctor(as_json=True) == 1
    assert told(capsys)["models"] == "failed"


def test_a_misspelt_variable_is_a_warning() -> None:
    result, said = found(around({"COGITATE_WROKERS": "2", "COGITATE_PRM_FAMILY": "qwen"}), "variables")
    assert result is Result.WARNING
    assert "COGITATE_WROKERS" in said
    assert "FAMILY" not in said
    assert found(around({"COGITATE_CONFIG": "x", "HOME": "y"}), "variables") == (Result.OK, "1 set, all known")


def test_a_port_in_use_is_found(listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    findings = asyncio.run(run(list(surroundings.checks_of(Settings(port=port), {}))))
    result, said = found(findings, "port")
    assert result is Result.FAILED
    assert str(port) in said
    assert found(around(), "port") == (Result.OK, "127.0.0.1, any free port")


def test_a_free_port_is_left_free() -> None:
    port = closed_port()
    for _ in range(2):
        findings = asyncio.run(run(list(surroundings.checks_of(Settings(port=port), {}))))
        assert found(findings, "port") == (Result.OK, f"127.0.0.1:{port} is free")


def test_keys_are_counted_and_the_expired_named(tmp_path: Path) -> None:
    old = key(id="key_2", name="two", digest="1" * 64, expires="2020-01-01")
    path = key_file(tmp_path, key(), old)
    assert found(around(keys=path), "keys") == (Result.OK, f"2 in {path}, of which expired: two")
    result, said = found(around(keys=key_file(tmp_path, old)), "keys")
    assert (result, "cogitate keys create" in said) == (Result.WARNING, True)
    path.write_text("no JSON")
    assert found(around(keys=path), "keys")[0] is Result.FAILED


def test_a_redis_that_is_not_there_is_told_without_its_password() -> None:
    port = closed_port()
    result, said = found(around(redis=f"redis://me:{SECRET}@127.0.0.1:{port}/0"), "redis")
    assert result is Result.FAILED
    assert f"127.0.0.1:{port}" in said
    assert SECRET not in said


def test_a_redis_that_is_silent_does_not_hang(listener: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(surroundings, "_SECONDS", 0.2)
    assert found(around(redis=f"redis://127.0.0.1:{listener.getsockname()[1]}"), "redis")[0] is Result.FAILED


@needs_redis
def test_a_redis_answers_and_one_with_another_password_does_not(tmp_path: Path) -> None:
    server = RedisServer(tmp_path, password=SECRET)
    try:
        assert found(around(redis=server.url), "redis") == (Result.OK, f"redis://127.0.0.1:{server.port}/0 answers")
        wrong = server.url.replace(SECRET, "quite-another")
        result, said = found(around(redis=wrong), "redis")
        assert result is Result.FAILED
        assert "quite-another" not in said
    finally:
        server.kill()


@pytest.mark.parametrize("name", ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"])
def test_the_collector_must_take_connections(listener: socket.socket, name: str) -> None:
    place = f"127.0.0.1:{listener.getsockname()[1]}"
    assert found(around({name: f"http://{place}"}, traces="otlp"), "traces") == (
        Result.OK,
        f"{place} takes connections",
    )
    result, said = found(around({name: f"http://127.0.0.1:{closed_port()}"}, traces="otlp"), "traces")
    assert (result, name in said) == (Result.FAILED, True)


def test_without_an_endpoint_the_default_one_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(surroundings, "_COLLECTOR", f"http://127.0.0.1:{closed_port()}")
    result, said = found(around(traces="otlp"), "traces")
    assert (result, "which is not set" in said) == (Result.FAILED, True)


def test_without_opentelemetry_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(surroundings, "find_spec", lambda _name: None)
    result, said = found(around(traces="otlp"), "traces")
    assert (result, "cogitate[tracing]" in said) == (Result.FAILED, True)


def test_decisions_must_be_writable_and_are_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "decisions.jsonl"
    assert found(around(decisions=path), "decisions")[0] is Result.OK
    assert not path.exists()
    path.touch()
    assert found(around(decisions=path), "decisions")[0] is Result.OK
    assert found(around(decisions=tmp_path), "decisions")[0] is Result.FAILED
    assert found(around(decisions=tmp_path / "nowhere" / "file"), "decisions")[0] is Result.FAILED


async def test_each_replica_is_asked_by_itself() -> None:
    async with fake_vllm() as one:
        dead = f"http://127.0.0.1:{closed_port()}"
        findings = await of_models(generators=(one.url, dead), served=one.name)
    assert found(findings, f"generator of {one.name} at {one.url}") == (
        Result.OK,
        f"speaks vllm, serves {one.name}; one token sampled",
    )
    assert found(findings, f"generator of {one.name} at {dead}")[0] is Result.FAILED
    assert found(findings, "scorer") == (Result.OK, "none: answers are put to a majority vote")
    assert "default policy" in found(findings, "policy")[1]


async def test_a_model_that_is_not_served_is_told_with_those_that_are() -> None:
    async with fake_vllm(name="this") as server:
        result, said = found(await of_models(generators=(server.url,), served="that"), "generator")
    assert (result, "this" in said, "that" in said) == (Result.FAILED, True, True)


async def test_a_name_without_addresses_is_told() -> None:
    result, said = found(await of_models(generators=("dns+http://nothing.invalid:80",)), "generator")
    assert (result, "nothing.invalid" in said) == (Result.FAILED, True)


async def test_a_replica_that_is_silent_does_not_hang(listener: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backends, "_PATIENCE", 0.3)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    findings = await of_models(generators=(url,), scorers=(url,))
    assert found(findings, "generator") == (Result.FAILED, "no answer within 0.3 s")
    assert found(findings, "scorer") == (Result.FAILED, "no answer within 0.3 s")


Entry = dict[str, Any]


@asynccontextmanager
async def judging(*entries: Entry) -> AsyncGenerator[str]:
    """A scoring service that is ready and has made up its mind."""

    async def score() -> Any:
        data = [{"index": index, **entry} for index, entry in enumerate(entries)]
        return {"data": data, "usage": {"computed_tokens": 20}}

    async def ready() -> dict[str, str]:
        return {}

    app = FastAPI()
    app.add_api_route("/ready", ready)
    app.add_api_route("/v1/score", score, methods=["POST"])
    async with serving(app) as port:
        yield f"http://127.0.0.1:{port}"


HIGH, LOW = {"rewards": [0.9, 0.8, 0.9]}, {"rewards": [0.9, 0.1, 0.9]}
ERROR = {"error": {"message": "too long", "code": "too_long"}}


@pytest.mark.parametrize(
    ("entries", "result", "said"),
    [
        ((HIGH, LOW), Result.OK, "scored a right solution 0.80 and a wrong one 0.10"),
        ((LOW, HIGH), Result.WARNING, "is it the reward model that is meant"),
        ((HIGH, HIGH), Result.WARNING, "is it the reward model that is meant"),
        ((HIGH, ERROR), Result.FAILED, "no rewards"),
        ((ERROR, ERROR), Result.FAILED, ""),
    ],
)
async def test_a_scorer_must_know_right_from_wrong(entries: tuple[Entry, Entry], result: Result, said: str) -> None:
    async with judging(*entries) as url:
        found_result, found_said = found(await of_models(generators=(url,), scorers=(url,)), "scorer")
    assert (found_result, said in found_said) == (result, True)


async def test_a_scorer_that_is_not_ready_is_told() -> None:
    async with answering(lambda _request: asyncio.sleep(0, Response())) as url:  # it has no /ready
        result, said = found(await of_models(generators=(url,), scorers=(url,)), "scorer")
    assert (result, "is not ready (404)" in said) == (Result.FAILED, True)


async def test_a_scorer_that_is_not_there_is_told() -> None:
    url = f"http://127.0.0.1:{closed_port()}"
    result, said = found(await of_models(generators=(url,), scorers=(url,)), "scorer")
    assert (result, "does not answer" in said) == (Result.FAILED, True)


async def test_a_check_that_cannot_be_made_fails_by_itself() -> None:
    async def breaks() -> str:
        raise KeyError

    async def doubts() -> str:
        raise Doubt("hm")

    async def hangs() -> str:
        await asyncio.Event().wait()
        return ""

    checks = [Check("a", breaks), Check("b", doubts), Check("c", hangs, 0.01)]
    assert [asdict(f) for f in await run(checks)] == [
        {"check": "a", "result": Result.FAILED, "said": "KeyError"},
        {"check": "b", "result": Result.WARNING, "said": "hm"},
        {"check": "c", "result": Result.FAILED, "said": "no answer within 0.01 s"},
    ]


async def test_a_policy_of_other_models_is_doubted() -> None:
    async with fake_vllm() as server:
        result, said = found(await of_models(generators=(server.url,), policy=SHIPPED), "policy")
    assert (result, "made for OTHER models" in said) == (Result.WARNING, True)
