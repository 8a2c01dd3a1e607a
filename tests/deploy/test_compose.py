"""The compose file and the Dockerfile, without Docker: does what they say fit together, and fit the programs?"""

import json
import re
import subprocess
import sys
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
    lineage,
    prm_settings,
    scoring_service,
    services,
    stage_of,
    stages,
    vllm_flags,
)

SERVICES = list(services())
OURS = [name for name in SERVICES if stage_of(services()[name])]
GATEWAYS = ["cogitate", "gateway"]
GPU = {"generator", "prm", "gateway"}

each_service = pytest.mark.parametrize("name", SERVICES)
each_of_ours = pytest.mark.parametrize("name", OURS)
each_image = pytest.mark.parametrize("target", ["gateway", "prm"])


def service(name: str) -> dict[str, Any]:
    return services()[name]


def stage(name: str) -> Stage:
    return cast("Stage", stage_of(service(name)))


def settings(name: str) -> Settings | PrmSettings:
    variables = environment(service(name))
    return prm_settings(variables) if stage(name).name == "prm" else gateway_settings(variables)


def words(name: str) -> list[str]:
    """The command of the container: the compose file's, else the image's."""
    given = service(name).get("command")
    return [str(word) for word in given] if given else command_of(stage(name))


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


def address(name: str) -> tuple[str, int]:
    """Where the process in a container listens."""
    host, port = option(words(name), "--host"), option(words(name), "--port")
    if host and port:
        return host, int(port)
    told = settings(name)
    return (told.listen_host, told.listen_port) if isinstance(told, PrmSettings) else (told.host, told.port)


def probe(text: str) -> tuple[str, str]:
    """Port and path of a health check; the port may be the name of a variable."""
    found = re.search(r"http://127\.0\.0\.1:(?:(\d+)|' \+ os\.environ\['(\w+)'\] \+ ')(/[^'\"\s]*)", text)
    assert found, f"no health check of a URL on this machine: {text}"
    return found[1] or found[2], found[3]


def health_check(name: str) -> str:
    """The command of a service's health check: the compose file's, else the image's."""
    if check := service(name).get("healthcheck"):
        assert check["test"][0] == "CMD"
        return " ".join(check["test"])
    return stage(name).text


def seconds(duration: str) -> int:
    """Read a duration of one unit, as these files have them."""
    found = re.fullmatch(r"(\d+)(s|m)", duration)
    assert found
    return int(found[1]) * {"s": 1, "m": 60}[found[2]]


async def status(app: FastAPI, path: str) -> int:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        return (await client.get(path)).status_code


def test_the_compose_file_keeps_to_the_compose_specification() -> None:
    check = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", COMPOSE]
    done = subprocess.run(check, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_without_a_profile_nothing_wants_a_gpu() -> None:
    assert {name for name in SERVICES if "profiles" not in service(name)} == {"cogitate", "prometheus", "grafana"}
    assert {name for name in SERVICES if service(name).get("profiles") == ["gpu"]} == GPU
    assert {name for name in SERVICES if "deploy" in service(name)} == {"generator", "prm"}
    embedded = settings("cogitate")
    assert isinstance(embedded, Settings)
    assert not embedded.generators


@each_service
def test_what_a_service_waits_for_is_started_with_it_and_has_a_health_check(name: str) -> None:
    for other, how in service(name).get("depends_on", {}).items():
        assert how["condition"] == "service_healthy"
        assert service(other).get("profiles") in (None, service(name).get("profiles"))
        assert "CMD" in health_check(other)


def test_the_gateway_waits_for_the_others_and_they_start_one_after_the_other() -> None:
    assert service("gateway")["depends_on"].keys() == {"generator", "prm"}
    assert service("prm")["depends_on"].keys() == {"generator"}
    assert "depends_on" not in service("generator")


@each_of_ours
def test_every_variable_of_ours_is_a_setting_with_a_value_that_is_accepted(name: str) -> None:
    told = settings(name)
    for variable in environment(service(name)):
        field = variable.removeprefix("COGITATE_PRM_" if isinstance(told, PrmSettings) else "COGITATE_").lower()
        assert field in told.model_fields_set


def test_a_misspelt_variable_is_found() -> None:
    with pytest.raises(AssertionError, match="COGITATE_GENERATOR: no such setting"):
        gateway_settings({"COGITATE_GENERATOR": "http://generator:8000"})


@each_of_ours
def test_the_processes_take_every_option_that_they_are_given(name: str) -> None:
    program, command, *options = words(name)
    run = [sys.executable, "-m", "server", command, "--help"]
    told = subprocess.run(run, capture_output=True, text=True, check=True, cwd=ROOT, env={"COLUMNS": "200"}).stdout
    assert program == "cogitate"
    for word in options:
        assert not word.startswith("--") or word.partition("=")[0] in told


@pytest.mark.parametrize("name", [*OURS, "generator"])
def test_a_process_in_a_container_listens_to_the_others(name: str) -> None:
    assert address(name)[0] == "0.0.0.0"  # noqa: S104 - the container's own


@each_service
def test_what_is_published_is_published_on_this_machine_only(name: str) -> None:
    published = [str(port).split(":") for port in service(name).get("ports", ())]
    assert len(published) == (name not in ("generator", "prm"))
    for host, _, container in published:
        assert host == "127.0.0.1"
        assert int(container) == {"prometheus": 9090, "grafana": 3000}.get(name) or address(name)[1]


def test_no_two_services_are_published_on_one_port() -> None:
    doors = [str(port).split(":")[1] for name in SERVICES for port in service(name).get("ports", ())]
    assert len(set(doors)) == len(doors) == 4


@pytest.mark.parametrize("name", GATEWAYS)
def test_nobody_is_asked_for_a_key_only_because_the_compose_file_says_so(name: str) -> None:
    told = settings(name)
    assert isinstance(told, Settings)
    assert told.anonymous
    assert service(name)["environment"]["COGITATE_ANONYMOUS"] == "true"
    assert "COGITATE_ANONYMOUS=" not in re.sub(r"^#.*$", "", lineage(stage(name)), flags=re.MULTILINE)


@each_of_ours
async def test_a_health_check_asks_the_process_on_its_port_for_a_path_it_has(name: str) -> None:
    port, path = probe(health_check(name))
    assert int(environment(service(name)).get(port, port)) == address(name)[1]
    # 503: the scoring service has the path, and its model is not loaded
    app, expected = (scoring_service(), 503) if name == "prm" else (gateway(), 200)
    assert await status(app, path) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("generator", ("8000", "/health")),  # vLLM's own: 200 while its engine lives
        ("prometheus", ("9090", "/-/ready")),
        ("grafana", ("3000", "/api/health")),
    ],
)
def test_a_health_check_of_a_program_of_others_asks_for_what_it_documents(name: str, expected: tuple[str, str]) -> None:
    check = service(name)["healthcheck"]
    assert seconds(check["timeout"]) < seconds(check["interval"])
    assert probe(health_check(name)) == expected


async def test_a_path_that_is_none_would_be_noticed() -> None:
    assert await status(gateway(), "/readyz") == await status(scoring_service(), "/readyz") == 404


def test_the_gateway_asks_the_services_that_are_there_on_the_ports_they_have() -> None:
    told = gateway_settings(environment(service("gateway")))
    places = {f"http://{name}:{address(name)[1]}" for name in ("generator", "prm")}
    assert {*told.generators, *told.scorers} == places
    assert told.served == option(words("generator"), "--served-model-name")


def test_loading_a_model_is_given_time() -> None:
    assert seconds(service("generator")["healthcheck"]["start_period"]) >= 600
    (period,) = re.findall(r"--start-period=(\S+)", stages()["prm"].text)
    assert seconds(period) >= 600


@each_of_ours
def test_a_container_is_given_the_time_its_process_takes_to_stop(name: str) -> None:
    told = settings(name)
    longest = told.max_deadline if isinstance(told, Settings) else told.max_read_seconds
    assert seconds(service(name)["stop_grace_period"]) >= told.drain_seconds + longest + 5


def test_vllm_is_given_options_it_has_and_the_version_they_were_read_from() -> None:
    generator = service("generator")
    given = {word.partition("=")[0] for word in generator["command"] if word.startswith("-")}
    assert given
    assert given <= vllm_flags()
    assert generator["image"] == f"vllm/vllm-openai:v{VLLM}"


@each_service
def test_an_image_of_others_has_a_version_and_one_of_ours_is_built(name: str) -> None:
    if name in OURS:
        assert service(name)["image"] == {"prm": "cogitate-prm"}.get(name, "cogitate")
    else:
        assert re.fullmatch(r"[\w.-]+/[\w.-]+:v?\d+\.\d+\.\d+", service(name)["image"])


@each_service
def test_a_mount_is_a_declared_volume_or_a_folder_of_ours_that_is_only_read(name: str) -> None:
    mounts = [str(volume).split(":") for volume in service(name).get("volumes", ())]
    for source, target, *mode in mounts:
        assert target.startswith("/")
        if source.startswith("."):
            assert any((ROOT / source).iterdir())
            assert mode == ["ro"]
        else:
            assert (source in document()["volumes"], mode) == (True, [])
    if name in OURS and (home := re.search(r"HF_HOME=(\S+)", stage(name).text)):
        assert home[1] in [path for _, path in mounts]


def test_no_volume_is_declared_that_nothing_mounts() -> None:
    mounted = {str(volume).split(":")[0] for name in SERVICES for volume in service(name).get("volumes", ())}
    assert set(document()["volumes"]) <= mounted


@each_service
def test_a_container_has_no_rights_it_does_not_need(name: str) -> None:
    given = service(name)
    assert given["security_opt"] == ["no-new-privileges:true"]
    assert given["restart"] == "unless-stopped"
    if name != "generator":  # vLLM's image runs as root
        assert given["read_only"] is True
        assert given["cap_drop"] == ["ALL"]
        assert given["tmpfs"] == ["/tmp"]  # noqa: S108 - the container's own
    if name in OURS:
        assert "USER 10001:10001" in stage(name).text
