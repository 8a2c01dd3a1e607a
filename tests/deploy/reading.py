"""What is deployed, read as data: the compose file as Docker would understand it, and the stages of the Dockerfile."""

import os
import re
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest
import yaml
from fastapi import FastAPI

from router.testing import FakeGenerator
from server.prm.app import Service, create_app
from server.prm.batching import BatchLimits
from server.prm.families import load_family
from server.prm.loading import Loading
from server.prm.metrics import Metrics
from server.prm.ports import Host
from server.settings import CONFIG, PrmSettings, Settings
from tests.server.gateway import serving

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "Dockerfile"
COMPOSE = ROOT / "docker-compose.yml"
VLLM = "0.32.0"
"""The version whose options are beside this file."""


def vllm_flags() -> frozenset[str]:
    """Return the options of `vllm serve`."""
    lines = (Path(__file__).parent / f"vllm-{VLLM}-flags.txt").read_text().splitlines()
    return frozenset(line for line in lines if line.startswith("--"))


@dataclass(frozen=True)
class Stage:
    """A stage of the Dockerfile: its name, what it is built from, and its lines."""

    name: str
    base: str
    text: str

    @property
    def copies(self) -> set[str]:
        """The stages it copies from."""
        return set(re.findall(r"--from=(\S+)", self.text))


def stages() -> dict[str, Stage]:
    """Return the stages by name, in order: the last is the default."""
    text = DOCKERFILE.read_text().replace("\\\n", " ")
    parts = re.split(r"^FROM (\S+) AS (\S+)$", text, flags=re.MULTILINE)[1:]
    return {name: Stage(name, base, body) for base, name, body in zip(*[iter(parts)] * 3, strict=True)}


def lineage(stage: Stage) -> str:
    """Return the lines of a stage after those of the stages it is built from."""
    known = stages()
    return (lineage(known[stage.base]) if stage.base in known else "") + stage.text


def services() -> dict[str, dict[str, Any]]:
    """Return the services of the compose file, variables of nobody's environment filled in."""
    return cast("dict[str, dict[str, Any]]", document()["services"])


def document() -> dict[str, Any]:
    """Return the compose file."""
    text = re.sub(r"\$\{(\w+):-([^{}]*)\}", r"\2", COMPOSE.read_text())
    assert "$" not in text, "a variable without a default, or a form that is not understood here"
    return cast("dict[str, Any]", yaml.safe_load(text))


def stage_of(service: Mapping[str, Any]) -> Stage | None:
    """Return the stage that a service is built from, None for an image of somebody else's."""
    build = cast("dict[str, str] | None", service.get("build"))
    if build is None:
        return None
    assert (COMPOSE.parent / build["context"]).resolve() == ROOT
    return stages()[build["target"]]


def environment(service: Mapping[str, Any]) -> dict[str, str]:
    """Return the variables of ours in a service's container: those of its image, changed by its own."""
    stage = stage_of(service)
    lines = re.findall(r"^ENV (.*)$", lineage(stage), re.MULTILINE) if stage else []
    image = dict(pair.split("=", 1) for line in lines for pair in line.split())
    merged = image | {name: str(value) for name, value in service.get("environment", {}).items()}
    return {name: value for name, value in merged.items() if name.startswith("COGITATE_")}


@contextmanager
def only(variables: Mapping[str, str]):
    """Let these be the only variables of ours."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("COGITATE_")]:
            patch.delenv(name)
        for name, value in variables.items():
            patch.setenv(name, value)
        yield


def gateway_settings(variables: Mapping[str, str]) -> Settings:
    """Return what the gateway makes of these variables. Fails for one that it does not read."""
    _known(variables, "COGITATE_", {*Settings.model_fields, CONFIG.removeprefix("COGITATE_").lower()})
    with only(variables):
        return Settings()


def prm_settings(variables: Mapping[str, str]) -> PrmSettings:
    """Return what the scoring service makes of these variables. Fails for one that it does not read."""
    _known(variables, "COGITATE_PRM_", set(PrmSettings.model_fields))
    with only(variables):
        return PrmSettings()  # pyright: ignore[reportCallIssue] - the required ones are in the environment


def _known(variables: Mapping[str, str], prefix: str, fields: set[str]) -> None:
    """Pydantic reads what it knows and passes over the rest: a misspelt variable would change nothing."""
    unknown = {name for name in variables if name.removeprefix(prefix).lower() not in fields}
    assert not unknown, f"{', '.join(sorted(unknown))}: no such setting"


def gateway() -> FastAPI:
    """Return the gateway, over a fake generator."""
    return serving.create_app(serving.deps(FakeGenerator(serving.script)))


def scoring_service() -> FastAPI:
    """Return the scoring service, its model not loaded."""

    def host() -> Host:
        raise NotImplementedError

    metrics = Metrics("0")
    family = load_family("implicit", ROOT / "server" / "embedded" / "weights" / "verifier")
    return create_app(Service("none", "0", Loading(family, host, BatchLimits(), metrics), metrics))
