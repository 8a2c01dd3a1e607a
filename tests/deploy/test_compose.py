"""The compose files and the Dockerfile, without Docker: does what they say fit together, and fit the programs?"""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from fastapi import FastAPI

from server.settings import PrmSettings, Settings

from .reading import (
    COMPOSE,
    ROOT,
    VLLM,
    Stage,
    document,
    environment,
    gateway,
    gateway_settings,
    prm_settings,
    scoring_service,
    services,
    stage_of,
    stages,
    vllm_flags,
)

GPU_NODE = COMPOSE[1]
SERVICES = [(file, name) for file in COMPOSE for name in services(file)]
OURS = [(file, name) for file, name in SERVICES if stage_of(services(file)[name], file)]
IDS = [f"{file.parent.name}-{name}" for file, name in SERVICES]
OUR_IDS = [f"{file.parent.name}-{name}" for file, name in OURS]

each_service = pytest.mark.parametrize(("file", "name"), SERVICES, ids=IDS)
each_of_ours = pytest.mark.parametrize(("file", "name"), OURS, ids=OUR_IDS)
each_image = pytest.mark.parametrize("target", ["gateway", "prm"])


def service(file: Path, name: str) -> dict[str, Any]:
    return services(file)[name]


def settings(file: Path, name: str) -> Settings | PrmSettings:
    variables = environment(service(file, name), file)
    stage = stage_of(service(file, name), file)
    return prm_settings(variables) if stage and stage.name == "prm" else gateway_settings(variables)


def words(file: Path, name: str) -> list[str]:
    """The command of the container: the compose file's, else the image's."""
    stage = stage_of(service(file, name), file)
    given = service(file, name).get("command")
    return [str(word) for word in given] if given else command_of(cast("Stage", stage))


def command_of(stage: Stage) -> list[str]:
    found = re.findall(r"^CMD (\[.*\])$", stage.text, re.MULTILINE)
    return cast("list[str]", json.loads(found[-1]))


def option(command: list[str], flag: str) -> str | None:
    """The value behind a flag, in either form."""
    for word, following in zip(command, [*command[1:], ""], strict=True):
        if word == flag:
            return following
        if word.startswith(f"{flag}="):
            return word.partition("=")[2]
    return None


def address(file: Path, name: str) -> tuple[str, int]:
    """Where the process in a container listens."""
    command = words(file, name)
    host, port = option(command, "--host"), option(command, "--port")
    if host and port:
        return host, int(port)
    told = settings(file, name)
    return (told.listen_host, told.listen_port) if isinstance(told, PrmSettings) else (told.host, told.port)


def probe(text: str) -> tuple[int, str]:
    """Port and path of a health check."""
    found = re.search(r"http://127\.0\.0\.1:(\d+)(/[^'\"\s]*)", text)
    assert found, f"no health check of a URL on this machine: {text}"
    return int(found[1]), found[2]


def seconds(duration: str) -> int:
    """Read a duration of one unit, as these files have them."""
    found = re.fullmatch(r"(\d+)(s|m)", duration)
    assert found
    return int(found[1]) * {"s": 1, "m": 60}[found[2]]


async def status(app: FastAPI, path: str) -> int:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        return (await client.get(path)).status_code


@pytest.mark.parametrize("file", COMPOSE, ids=[file.parent.name for file in COMPOSE])
def test_a_compose_file_keeps_to_the_compose_specification(file: Path) -> None:
    check = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", file]
    done = subprocess.run(check, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_gpu_node_has_a_generator_a_scoring_service_and_a_gateway() -> None:
    assert services(GPU_NODE).keys() == {"generator", "prm", "gateway"}


@each_service
def test_what_a_service_waits_for_exists_and_has_a_health_check(file: Path, name: str) -> None:
    for other, how in service(file, name).get("depends_on", {}).items():
        assert how["condition"] == "service_healthy"
        assert services(file)[other]["healthcheck"]["test"][0] == "CMD"


def test_the_gateway_waits_for_the_others_and_they_start_one_after_the_other() -> None:
    assert service(GPU_NODE, "gateway")["depends_on"].keys() == {"generator", "prm"}
    assert service(GPU_NODE, "prm")["depends_on"].keys() == {"generator"}
    assert "depends_on" not in service(GPU_NODE, "generator")


@each_of_ours
def test_every_variable_of_ours_is_a_setting_with_a_value_that_is_accepted(file: Path, name: str) -> None:
    told = settings(file, name)
    for variable in environment(service(file, name), file):
        field = variable.removeprefix("COGITATE_PRM_" if isinstance(told, PrmSettings) else "COGITATE_").lower()
        assert field in told.model_fields_set


def test_a_misspelt_variable_is_found() -> None:
    with pytest.raises(AssertionError, match="COGITATE_GENERATOR: no such setting"):
        gateway_settings({"COGITATE_GENERATOR": "http://generator:8000"})


@each_of_ours
def test_the_processes_take_every_option_that_they_are_given(file: Path, name: str) -> None:
    program, command, *options = words(file, name)
    run = [sys.executable, "-m", "server", command, "--help"]
    told = subprocess.run(run, capture_output=True, text=True, check=True, cwd=ROOT, env={"COLUMNS": "200"}).stdout
    assert program == "cogitate"
    for word in options:
        assert not word.startswith("--") or word.partition("=")[0] in told


@each_service
def test_a_process_in_a_container_listens_to_the_others(file: Path, name: str) -> None:
    assert address(file, name)[0] == "0.0.0.0"  # noqa: S104 - the container's own


@each_service
def test_only_gateways_are_published_and_on_this_machine_only(file: Path, name: str) -> None:
    published = [str(port).split(":") for port in service(file, name).get("ports", ())]
    stage = stage_of(service(file, name), file)
    if not stage or stage.name != "gateway":
        assert not published
        return
    (host, _, container), *more = published
    assert (host, int(container), more) == ("127.0.0.1", address(file, name)[1], [])


@each_service
async def test_a_health_check_asks_the_process_on_its_port_for_a_path_it_has(file: Path, name: str) -> None:
    stage = stage_of(service(file, name), file)
    if check := service(file, name).get("healthcheck"):
        text = " ".join(check["test"])
        assert seconds(check["timeout"]) < seconds(check["interval"])
    else:
        text = cast("Stage", stage).text
    port, path = probe(text)
    assert port == address(file, name)[1]
    if not stage:
        assert path == "/health"  # vLLM's own: 200 while its engine lives
    elif stage.name == "prm":
        assert await status(scoring_service(), path) == 503  # it has the path, and its model is not loaded
    else:
        assert await status(gateway(), path) == 200


async def test_a_path_that_is_none_would_be_noticed() -> None:
    assert await status(gateway(), "/readyz") == await status(scoring_service(), "/readyz") == 404


def test_the_gateway_asks_the_services_that_are_there_on_the_ports_they_have() -> None:
    told = gateway_settings(environment(service(GPU_NODE, "gateway"), GPU_NODE))
    places = {f"http://{name}:{address(GPU_NODE, name)[1]}" for name in ("generator", "prm")}
    assert {*told.generators, *told.scorers} == places
    assert told.served == option(words(GPU_NODE, "generator"), "--served-model-name")


@each_service
def test_loading_a_model_is_given_time(file: Path, name: str) -> None:
    if "deploy" in service(file, name):
        assert seconds(service(file, name)["healthcheck"]["start_period"]) >= 600


@pytest.mark.parametrize("name", ["prm", "gateway"])
def test_a_container_is_given_the_time_its_process_takes_to_stop(name: str) -> None:
    told = settings(GPU_NODE, name)
    longest = told.max_deadline if isinstance(told, Settings) else told.max_read_seconds
    assert seconds(service(GPU_NODE, name)["stop_grace_period"]) >= told.drain_seconds + longest + 5


def test_vllm_is_given_options_it_has_and_the_version_they_were_read_from() -> None:
    generator = service(GPU_NODE, "generator")
    given = {word.partition("=")[0] for word in generator["command"] if word.startswith("-")}
    assert given
    assert given <= vllm_flags()
    assert generator["image"] == f"vllm/vllm-openai:v{VLLM}"


@each_service
def test_volumes_are_declared_and_nothing_else_of_ours_is_written(file: Path, name: str) -> None:
    mounts = [str(volume).split(":") for volume in service(file, name).get("volumes", ())]
    assert {volume for volume, _ in mounts} <= set(document(file).get("volumes", {}))
    stage = stage_of(service(file, name), file)
    if stage and (home := re.search(r"HF_HOME=(\S+)", stage.text)):
        assert home[1] in [path for _, path in mounts]


@each_of_ours
def test_our_containers_have_no_rights_they_do_not_need(file: Path, name: str) -> None:
    given = service(file, name)
    assert given["read_only"] is True
    assert given["cap_drop"] == ["ALL"]
    assert given["security_opt"] == ["no-new-privileges:true"]
    assert given["restart"] == "unless-stopped"
    assert "USER 10001" in stages()[cast("Stage", stage_of(given, file)).name].text


def test_the_default_image_is_the_gateway_without_what_the_scoring_service_needs() -> None:
    known = stages()
    default = known[list(known)[-1]]
    assert (default.name, default.base, default.copies) == ("gateway", "base", {"build"})
    assert "prm" not in known["build"].text
    assert known["prm"].copies == {"build-prm"}
    assert ".[prm]" in known["build-prm"].text


@each_image
async def test_an_image_says_itself_how_it_is_and_where_it_listens(target: str) -> None:
    stage = stages()[target]
    port, path = probe(stage.text)
    assert f"EXPOSE {port}" in stage.text
    assert await status(gateway() if target == "gateway" else scoring_service(), path) in (200, 503)
