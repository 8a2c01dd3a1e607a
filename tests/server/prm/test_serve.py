"""The service as a process: its settings, its start, its end; with a fake model and with the embedded verifier."""

import asyncio
import signal
import subprocess
import sys
from os import environ
from pathlib import Path
from typing import Any

import httpx
import pytest
import torch
from pydantic import ValidationError

from server.prm import serve
from server.prm.families import load_family
from server.prm.hosts import transformers
from server.prm.hosts.transformers import TransformersOptions
from server.prm.ports import Head
from server.prm.serve import build, limits_of
from server.settings import PrmSettings
from server.web.readiness import State
from tests.server.gateway.serving import serving

from .serving import process

VERIFIER = str(Path(__file__).parents[3] / "server/embedded/weights/verifier")
BODY = {"items": [{"problem": "What is 2 + 3 * 4?", "steps": ["3 * 4 = 12.", "2 + 12 = 14."]}]}


def settings(**fields: Any) -> PrmSettings:
    return PrmSettings(**{"family": "implicit", "model": VERIFIER, **fields})


def test_the_environment_is_read_under_its_prefix(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"FAMILY": "qwen", "MODEL": "org/prm", "HOST": "vllm", "BACKEND": "http://gpu:8000", "MAX_WAIT_MS": "20"}
    for name, value in given.items():
        monkeypatch.setenv(f"COGITATE_PRM_{name}", value)
    read = PrmSettings()  # pyright: ignore[reportCallIssue]
    assert (read.family, read.host, read.backend, read.served) == ("qwen", "vllm", "http://gpu:8000", "org/prm")
    limits = limits_of(read)
    assert (limits.wait, limits.items, limits.lanes, limits.shared) == (0.02, read.max_batch_items, 4, False)


def test_a_model_in_this_process_reads_one_batch_at_a_time() -> None:
    limits = limits_of(settings())
    assert (limits.lanes, limits.shared) == (1, True)


def test_the_host_in_this_process_is_told_its_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    told = list[TransformersOptions]()
    real = transformers.TransformersHost

    def noting(model: str, head: Head, options: TransformersOptions) -> Any:
        told.append(options)
        return real(model, head, options)

    monkeypatch.setattr(transformers, "TransformersHost", noting)
    family = load_family("implicit", VERIFIER)
    for fields in ({}, {"context": 512, "cache_tokens": 0}, {"reference": VERIFIER}):
        serve._hosts(settings(**fields), family)()
    assert [(o.context, o.cache_tokens, o.memory_share) for o in told] == [
        (16_384, None, 0.5),
        (512, 0, 0.5),
        *[(16_384, None, 0.25)] * 2,
    ]


def test_a_model_can_have_a_name_for_its_clients() -> None:
    assert settings(name="judge").served == "judge"


def test_where_a_model_lies_is_not_told() -> None:
    assert settings().served == settings(model=f"{VERIFIER}/.").served == "verifier"
    assert settings(model="org/prm").served == "org/prm"


def test_a_key_is_not_told_with_what_makes_no_sense() -> None:
    with pytest.raises(ValidationError) as caught:
        settings(host="vllm", api_key="a secret of the house")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "fields",
    [
        {"family": ""},
        {"host": "onnx"},
        {"host": "vllm"},
        {"backend": "http://gpu:8000"},
        {"host": "vllm", "backend": "gpu:8000"},
        {"max_batch_items": 0},
        {"max_wait_ms": -1},
        {"dtype": "int8"},
        {"listen_port": 70000},
        {"context": 0},
        {"cache_tokens": -1},
        {"drain_seconds": float("inf")},
        {"api_key": "a key without a lock"},
        {"host": "vllm", "backend": "http://gpu:8000", "reference": "Qwen/Qwen2.5-Math-7B"},
        {"colour": "red"},
    ],
)
def test_what_makes_no_sense_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        settings(**fields)


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"family": "entrails"}, "entrails"),
        ({"model": "/no/such/folder"}, "no/such/folder"),
        ({"calibration": "/no/such/file"}, "no/such/file"),
        ({"reference": VERIFIER}, "log-ratio"),
        ({"device": "abacus"}, "no device 'abacus'"),
        *(() if torch.cuda.is_available() else [({"device": "cuda"}, "no device 'cuda'")]),
        ({"family": "log-ratio"}, "reference"),
        ({"family": "log-ratio", "reference": VERIFIER, "calibration": f"{VERIFIER}/calibration.json"}, "calibration"),
    ],
)
def test_what_cannot_work_stops_the_start(fields: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        build(settings(**fields))


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve, "find_spec", lambda _name: None)
    with pytest.raises(ValueError, match=r"pip install 'cogitate\[prm\]'"):
        build(settings())


async def test_a_model_server_that_is_not_there_leaves_the_service_alive_and_not_ready() -> None:
    app, readiness = build(
        settings(
            host="vllm", backend="http://127.0.0.1:9", api_key="k", family="log-ratio", reference="http://127.0.0.1:9"
        )
    )
    async with serving(app) as port, httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http:
        assert (await http.get("/health")).status_code == 200
        assert (await http.get("/ready")).status_code == 503
        assert (await http.post("/v1/score", json=BODY)).status_code == 503
    assert readiness.state is State.DRAINING


async def test_a_signal_to_stop_lets_what_is_under_way_finish() -> None:
    async with process(seconds=1.0) as (child, url), httpx.AsyncClient(base_url=url, timeout=30) as http:
        under_way = asyncio.create_task(http.post("/v1/score", json=BODY))
        async with asyncio.timeout(10):
            while "cogitate_prm_requests_in_flight 1.0" not in (await http.get("/metrics")).text:
                pass
        child.send_signal(signal.SIGTERM)
        reply = await under_way
        assert reply.status_code == 200
        assert len(reply.json()["data"][0]["rewards"]) == 2
        await asyncio.wait_for(child.wait(), 20)
        assert child.returncode in {0, -signal.SIGTERM}
        with pytest.raises(httpx.TransportError):
            await http.get("/health")


def cogitate(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "server", "prm", *arguments],
        capture_output=True,
        text=True,
        env={**environ, **environment},
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "--family or COGITATE_PRM_FAMILY: "),
        (["--family", "entrails", "--model", VERIFIER], "entrails"),
        (["--family", "implicit", "--model", VERIFIER, "--host", "vllm"], "backend"),
    ],
)
def test_settings_that_make_no_sense_are_told_and_exit_with_2(arguments: list[str], told: str) -> None:
    done = cogitate(*arguments)
    assert done.returncode == 2
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    assert "http" not in done.stderr


async def test_the_command_serves_the_embedded_verifier_drains_and_stops() -> None:
    pytest.importorskip("transformers")
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "server", "prm", "--family", "implicit", "--model", VERIFIER, "--listen-port", "0"),
        env={
            **environ,
            "COGITATE_PRM_NAME": "verifier",
            "COGITATE_PRM_DRAIN_SECONDS": "60",
            "COGITATE_PRM_THREADS": "1",
            "COGITATE_PRM_LOG_LEVEL": "error",
        },
        stdout=asyncio.subprocess.PIPE,
    )
    assert child.stdout
    try:
        url = ""
        async with asyncio.timeout(180):
            while "listens at" not in url:
                url = (await child.stdout.readline()).decode()
        url = url.split("listens at ")[1].split(";")[0]
        async with httpx.AsyncClient(base_url=url, timeout=60) as http:
            await _until(http, 200)
            reply = (await http.post("/v1/score", json={**BODY, "model": "verifier"})).json()
            again = (await http.post("/v1/score", json=BODY)).json()
            child.send_signal(signal.SIGTERM)
            await _until(http, 503)
            assert (await http.post("/v1/score", json=BODY)).status_code == 200  # it is asked for no more, but answers
        assert all(0.0 <= reward <= 1.0 for reward in reply["data"][0]["rewards"])
        assert again["data"][0]["rewards"] == pytest.approx(reply["data"][0]["rewards"], abs=1e-5)
        assert again["usage"]["computed_tokens"] < reply["usage"]["computed_tokens"] <= reply["usage"]["total_tokens"]
        child.send_signal(signal.SIGTERM)
        await asyncio.wait_for(child.wait(), 30)
    finally:
        if child.returncode is None:
            child.kill()
        await child.communicate()


async def _until(http: httpx.AsyncClient, status: int) -> None:
    async with asyncio.timeout(180):
        while (await http.get("/ready")).status_code != status:  # noqa: ASYNC110 - another process's
            await asyncio.sleep(0.05)
