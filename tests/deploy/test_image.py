"""The gateway's image, built from the Dockerfile and run: what is in it, what it may do, what it answers.

It is built with buildah on a base made of Debian's packages, for want of a Docker engine and of Docker Hub.
"""

import os
import select
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from .containing import PATIENCE, Image, Running, built, require_tools, running

QUESTION = {"messages": [{"role": "user", "content": "Use 16, 3, 11 to make 81."}]}
UNPRIVILEGED = 10001


@pytest.fixture(scope="module")
def image() -> Iterator[Image]:
    require_tools()
    with built("gateway") as found:
        yield found


@pytest.fixture(scope="module")
def gateway(image: Image, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    log = tmp_path_factory.mktemp("gateway") / "log"
    with running(image, log, COGITATE_ANONYMOUS="true") as process:
        yield process


def files(image: Image) -> Iterator[tuple[Path, os.stat_result]]:
    """The files and folders of the image, but for the kernel's."""
    for path in image.root.rglob("*"):
        if path.relative_to(image.root).parts[0] not in ("proc", "sys", "dev"):
            yield path, path.lstat()


def test_the_command_line_is_there(image: Image) -> None:
    told = image.run("cogitate", "--help")
    assert told.returncode == 0, told.stderr
    assert "serve" in told.stdout


def test_it_is_alive_and_ready(gateway: Running) -> None:
    assert httpx.get(f"{gateway.url}/health").json() == {"status": "ok"}
    ready = httpx.get(f"{gateway.url}/ready")
    assert (ready.status_code, ready.json()["status"]) == (200, "ready")


def test_a_question_is_answered_with_the_embedded_models(gateway: Running) -> None:
    reply = httpx.post(f"{gateway.url}/v1/chat/completions", json=QUESTION, timeout=60)
    assert reply.status_code == 200
    assert "\\boxed{" in reply.json()["choices"][0]["message"]["content"]


def test_metrics_are_there_to_be_scraped(gateway: Running) -> None:
    assert "cogitate_requests_total" in httpx.get(f"{gateway.url}/metrics").text


def test_the_process_is_nobody_with_no_rights(gateway: Running) -> None:
    assert set(gateway.status["Uid"].split()) == set(gateway.status["Gid"].split()) == {str(UNPRIVILEGED)}
    assert {int(gateway.status[name], 16) for name in ("CapPrm", "CapEff", "CapBnd", "CapAmb")} == {0}
    assert gateway.status["NSpid"].split()[-1] == "1"


def test_nothing_but_tmp_could_be_written_while_it_ran(image: Image) -> None:
    tried = "for place in / /tmp /opt/cogitate /home /var /run /dev; do touch $place/x 2>/dev/null && echo $place; done"
    assert image.run("sh", "-c", tried).stdout.split() == ["/tmp"]  # noqa: S108


def test_no_file_of_the_image_belongs_to_the_user_or_to_all(image: Image) -> None:
    shared = {image.root / "tmp", image.root / "var" / "tmp", image.root / "run" / "lock"}
    loose = [
        path
        for path, found in files(image)
        if path not in shared
        and not path.is_symlink()
        and (found.st_uid == UNPRIVILEGED or found.st_gid == UNPRIVILEGED or found.st_mode & stat.S_IWOTH)
    ]
    assert not loose


def test_it_has_neither_torch_nor_what_installs_and_compiles(image: Image) -> None:
    unwanted = {"torch", "transformers", "triton", "vllm", "pip", "pip3", "ensurepip", "hatchling", "gcc", "cc", "make"}
    assert not [path for path, _ in files(image) if path.name in unwanted and "share" not in path.parts]
    assert image.run("python", "-m", "pip").returncode != 0
    for module in ("torch", "transformers"):
        assert image.run("python", "-c", f"import {module}").returncode != 0


def test_it_has_what_sends_traces_and_shares_quotas(image: Image) -> None:
    wanted = (
        "import opentelemetry.sdk.trace, opentelemetry.exporter.otlp.proto.http.trace_exporter, redis.asyncio, hiredis"
    )
    assert image.run("python", "-c", wanted).returncode == 0


def test_nothing_of_the_machine_that_built_it_stays(image: Image) -> None:
    left = image.root / "etc" / "pip.conf"
    assert not left.exists() or not left.read_text()
    assert not (image.root / "run" / "secrets").exists()
    assert not [value for name, value in image.environment.items() if "PIP" in name or "proxy" in name.lower()]


def test_it_is_small(image: Image) -> None:
    ours = sum(found.st_size for path, found in files(image) if path.is_relative_to(image.root / "opt"))
    print(f"image {image.size}, of which /opt/cogitate {ours / 1e6:.0f} MB")  # noqa: T201 - pytest -rP
    assert ours < 250e6


def test_the_health_check_of_the_image_says_what_is_so(gateway: Running) -> None:
    assert gateway.healthy()
    elsewhere = Running(gateway.image, 1, gateway.process, gateway.pid)
    assert not elsewhere.healthy()


def test_it_refuses_to_serve_everyone_without_being_told_so(image: Image) -> None:
    refused = image.run(*image.config["Cmd"], COGITATE_PORT="0")
    assert refused.returncode == 2
    assert "anonymous" in refused.stderr.lower()


def test_as_the_first_process_of_a_container_it_stops_when_told(image: Image, tmp_path: Path) -> None:
    with running(image, tmp_path / "log", COGITATE_ANONYMOUS="true") as process:
        assert process.stop() == 0
    assert "Traceback" not in (tmp_path / "log").read_text()


def test_a_container_that_is_killed_leaves_no_process(image: Image) -> None:
    words = image.command(["sh", "-c", f"echo started; exec sleep {3 * PATIENCE}"], {})
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "started\n"
        process.kill()
        ended, _, _ = select.select([process.stdout], [], [], PATIENCE)
        assert ended, "somebody still holds the pipe"
