"""deploy/README.md and the compose file with keys, held against what is there."""

import re
import subprocess
import sys
from typing import Any, cast

import pytest
import yaml

from .reading import ROOT, environment, gateway_settings, services

KEYED = ROOT / "deploy" / "compose-keys.yml"
TEXT = (ROOT / "deploy" / "README.md").read_text()
COMMANDS = re.sub(r"\\\n\s*", "", "\n".join(re.findall(r"^ {4}(\S.*)$", TEXT, re.MULTILINE))).splitlines()


def keyed() -> dict[str, dict[str, Any]]:
    return cast("dict[str, dict[str, Any]]", yaml.safe_load(KEYED.read_text())["services"])


def test_the_file_with_keys_keeps_to_the_compose_specification() -> None:
    check = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", KEYED]
    done = subprocess.run(check, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_with_keys_every_gateway_asks_for_one() -> None:
    published = {name for name, given in services().items() if environment(given) and given.get("ports")}
    assert keyed().keys() == published
    for name, added in keyed().items():
        told = gateway_settings(environment(services()[name]) | added["environment"])
        assert not told.anonymous
        assert told.keys
        assert added["volumes"] == [f"./keys:{told.keys.parent}:ro"]
        assert [command for command in COMMANDS if "./keys:/keys" in command and f"=/keys/{told.keys.name}" in command]


@pytest.mark.parametrize("name", ["cogitate", "gateway", "grafana", "prometheus"])
def test_the_addresses_it_tells_are_those_that_are_published(name: str) -> None:
    (door,) = services()[name]["ports"]
    assert f"http://127.0.0.1:{door.split(':')[1]}" in TEXT


def test_the_scripts_and_files_of_its_commands_are_there() -> None:
    named = set(re.findall(r"(?<![\w/.-])(?:tools|deploy|tests|docs)/[\w./-]+\w", TEXT))
    assert len(named) > 5
    assert not [path for path in named if not (ROOT / path).exists()]


def test_its_profile_is_one() -> None:
    told = set(re.findall(r"--profile (\w+)", TEXT))
    assert told == {profile for given in services().values() for profile in given.get("profiles", ())}


@pytest.mark.parametrize("link", re.findall(r"\]\(([^)]+)\)", TEXT))
def test_links_lead_somewhere(link: str) -> None:
    path, _, heading = link.partition("#")
    target = (ROOT / "deploy" / path).resolve()
    assert target.exists()
    if heading:
        titles = re.findall(r"^#+ (.*)$", target.read_text(), re.MULTILINE)
        assert heading in [re.sub(r"[^\w -]", "", title).strip().lower().replace(" ", "-") for title in titles]
