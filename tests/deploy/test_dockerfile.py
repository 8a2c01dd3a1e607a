"""The Dockerfile and its pinned packages, read: what comes from where, and whether it is what the project asks for."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from .reading import DOCKERFILE, ROOT, lineage, stages
from .test_compose import each_image, gateway, probe, scoring_service, status

LOCKS = ROOT / "deploy" / "image"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PINNED = re.compile(r"^([\w.-]+)==(\S+)( ; .*)? \\$", re.MULTILINE)


def pinned(name: str) -> dict[str, set[str]]:
    """The versions of each package in a file: more than one where they depend on the Python."""
    versions: dict[str, set[str]] = {}
    for package, version, _ in PINNED.findall((LOCKS / f"{name}.txt").read_text()):
        versions.setdefault(package, set()).add(version)
    return versions


def asked(*extras: str) -> list[Requirement]:
    lines = [*PROJECT["dependencies"], *(line for e in extras for line in PROJECT["optional-dependencies"][e])]
    return [Requirement(line) for line in lines]


def test_the_default_image_is_the_gateway_without_what_the_scoring_service_needs() -> None:
    known = stages()
    default = known[list(known)[-1]]
    assert (default.name, default.base, default.copies) == ("gateway", "base", {"packages", "code"})
    assert known["prm"].copies == {"packages-prm", "code"}
    assert "prm.txt" in known["packages-prm"].text
    assert "prm.txt" not in lineage(known["packages"]) + lineage(known["code"])


def test_what_runs_is_built_from_one_base_of_a_given_version() -> None:
    (base,) = re.findall(r"^ARG BASE=(\S+)$", DOCKERFILE.read_text(), re.MULTILINE)
    assert re.fullmatch(r"python:3\.\d+-slim-\w+", base)
    assert {stage.base for stage in stages().values()} - set(stages()) == {"${BASE}"}


def test_a_change_of_the_code_installs_no_package_again() -> None:
    for name in ("packages", "packages-prm"):
        assert set(re.findall(r"^COPY (\S+)", lineage(stages()[name]), re.MULTILINE)) <= {
            f"deploy/image/{lock}.txt" for lock in ("tools", "gateway", "prm")
        }
    text = stages()["gateway"].text
    assert text.index("--from=packages") < text.index("--from=code")


@each_image
async def test_an_image_says_itself_how_it_is_and_where_it_listens(target: str) -> None:
    stage = stages()[target]
    variable, path = probe(stage.text)
    (port,) = re.findall(rf"\b{variable}=(\d+)", stage.text)
    assert f"EXPOSE {port}" in stage.text
    assert "STOPSIGNAL SIGTERM" in lineage(stage)
    assert await status(gateway() if target == "gateway" else scoring_service(), path) in (200, 503)


def test_every_package_is_installed_by_its_hash() -> None:
    installs = re.findall(r"pip (?:--python \S+ )?install (.*)", DOCKERFILE.read_text())
    assert len(installs) == 4
    for options in installs:
        assert "--require-hashes" in options or "--no-index" in options
    for lock in LOCKS.glob("*.txt"):
        blocks = re.split(r"^(?=\S)", lock.read_text(), flags=re.MULTILINE)
        pins = [block for block in blocks if "==" in block and not block.startswith("#")]
        assert pins
        assert all("--hash=sha256:" in block for block in pins)


@pytest.mark.parametrize(
    ("lock", "extras"),
    [("gateway", ("tracing",)), ("prm", ("tracing", "prm"))],
)
def test_the_pinned_packages_are_those_that_the_project_asks_for(lock: str, extras: tuple[str, ...]) -> None:
    versions = pinned(lock)
    for requirement in asked(*extras):
        found = versions.get(canonicalize_name(requirement.name))
        assert found, f"{requirement.name} is not in {lock}.txt: run deploy/image/lock.sh"
        assert all(requirement.specifier.contains(version) for version in found), f"{requirement}: {found}"


def test_the_gateway_has_no_torch_and_both_images_have_the_same_packages_otherwise() -> None:
    small, large = pinned("gateway"), pinned("prm")
    assert not {"torch", "transformers", "triton"} & set(small)
    assert small.items() <= large.items()


def test_the_scoring_service_runs_the_torch_that_the_tests_run() -> None:
    dev = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]["dev"]
    (tested,) = [Requirement(line) for line in dev if isinstance(line, str) and line.startswith("torch=")]
    assert all(tested.specifier.contains(version) for version in pinned("prm")["torch"])


@pytest.mark.parametrize("script", ["tools/build-image.sh", "tools/install-system.sh", "deploy/image/lock.sh"])
def test_a_script_can_be_run_and_read(script: str) -> None:
    assert (ROOT / script).stat().st_mode & 0o111
    subprocess.run(["bash", "-n", ROOT / script], check=True)


def test_the_builder_is_sent_what_the_dockerfile_copies_and_no_more() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert ignored[1] == "*"
    sent = {line.removeprefix("!") for line in ignored if line.startswith("!")}
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE.read_text(), re.MULTILINE)
    for source in " ".join(copied).split():
        assert {source, *map(str, Path(source).parents)} & sent, f"{source} is not sent"
