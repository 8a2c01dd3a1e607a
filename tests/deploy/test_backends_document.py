"""docs/backends.md, held against the programs: what it tells people to type and to set must exist."""

import json
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from server.prm.families import FAMILIES
from server.settings import CONFIG, PrmSettings, Settings
from server.wiring.models import PASSES

from .reading import ROOT, gateway_settings, prm_settings, vllm_flags


def split(block: str) -> Iterator[str]:
    """The commands of a block, those over several lines as one."""
    command = ""
    for line in block.replace("\\\n", " ").splitlines(keepends=True):
        command += line
        if command.count("'") % 2 == 0:
            yield command.strip()
            command = ""


TEXT = (ROOT / "docs" / "backends.md").read_text()
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
COMMANDS = [command for kind, block in BLOCKS if not kind for command in split(block)]
ROWS = [[cell.strip() for cell in line.strip("|").split("|")] for line in TEXT.splitlines() if line.startswith("| `")]


def assignments(command: str) -> tuple[dict[str, str], list[str]]:
    """The variables in front of a command, and the command."""
    words = shlex.split(command)
    count = next(i for i, word in enumerate(words) if not re.match(r"[A-Z_]+=", word))
    return dict(word.split("=", 1) for word in words[:count]), words[count:]


def of(program: str) -> list[str]:
    """The commands that run `program`."""
    return [command for command in COMMANDS if re.search(rf"(^|\s){program}(\s|$)", command)]


def listed(prefix: str) -> dict[str, str]:
    """The settings in the tables, and their defaults."""
    found = {row[0].strip("`"): row[1] for row in ROWS if row[0].startswith(f"`{prefix}")}
    return {name: default for name, default in found.items() if prefix == "COGITATE_PRM_" or "_PRM_" not in name}


def as_written(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)


@pytest.mark.parametrize(("prefix", "model"), [("COGITATE_", Settings), ("COGITATE_PRM_", PrmSettings)])
def test_every_setting_is_in_a_table_and_nothing_else(prefix: str, model: type[BaseModel]) -> None:
    names = {f"{prefix}{field.upper()}" for field in model.model_fields}
    assert listed(prefix).keys() == names | ({CONFIG} if model is Settings else set())


@pytest.mark.parametrize(("prefix", "model"), [("COGITATE_", Settings), ("COGITATE_PRM_", PrmSettings)])
def test_defaults_are_those_of_the_code(prefix: str, model: type[BaseModel]) -> None:
    told = listed(prefix)
    for name, field in model.model_fields.items():
        if field.default not in (None, ()):
            assert told[f"{prefix}{name.upper()}"].strip("`") == (
                "required" if field.is_required() else as_written(field.default)
            )


@pytest.mark.parametrize("command", of("cogitate serve"))
def test_commands_for_the_gateway_have_settings_that_make_sense(command: str) -> None:
    variables, _ = assignments(command)
    if CONFIG not in variables:
        assert gateway_settings(variables).generators


@pytest.mark.parametrize("command", of("cogitate prm"))
def test_commands_for_the_scoring_service_have_settings_that_make_sense(command: str) -> None:
    variables, (_, _, *options) = assignments(command)
    given = {f"COGITATE_PRM_{name[2:].upper()}": value for name, value in zip(options[::2], options[1::2], strict=True)}
    told = prm_settings(variables | given)
    assert told.family in FAMILIES


def test_the_file_of_several_models_is_read(tmp_path: Path) -> None:
    (block,) = [block for kind, block in BLOCKS if kind == "toml"]
    assert len(tomllib.loads(block)["models"]) == 3
    file = tmp_path / "cogitate.toml"
    file.write_text(block)
    assert list(gateway_settings({CONFIG: str(file)}).backends) == ["math", "general", "hosted"]


def test_every_dialect_is_named_and_nothing_else() -> None:
    (row,) = [row for row in ROWS if row[0] == "`COGITATE_DIALECT`"]
    assert {*re.findall(r"`(\w+)`", " ".join(row[1:]))} == {*get_args(Settings.model_fields["dialect"].annotation)}


def test_every_field_that_is_passed_on_is_named_and_nothing_else() -> None:
    sentence = TEXT.split("Fields it passes on:")[1].split("\n\n")[0]
    assert {*re.findall(r"`(\w+)`", sentence)} == PASSES


def test_every_family_is_in_the_table_and_nothing_else() -> None:
    table = TEXT.split("| family | for |")[1].split("\n\n")[0]
    assert set(re.findall(r"^\| `([\w-]+)` \|", table, re.MULTILINE)) == FAMILIES.keys()


def test_options_of_vllm_are_options_it_has() -> None:
    code = " ".join([*of("vllm serve"), *(cell for row in ROWS for cell in row if "--" in cell)])
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", code))
    assert len(named) > 10
    assert named <= vllm_flags()


@pytest.mark.parametrize("value", re.findall(r"'(\{\".*?\})'", TEXT))
def test_what_is_json_in_a_command_can_be_read(value: str) -> None:
    assert json.loads(value)


@pytest.mark.parametrize("command", of("curl"))
def test_bodies_of_requests_can_be_read(command: str) -> None:
    words = shlex.split(command)
    if "-d" in words:
        assert json.loads(words[words.index("-d") + 1])


@pytest.mark.parametrize("link", re.findall(r"\]\(([^)]+)\)", TEXT))
def test_links_lead_somewhere(link: str) -> None:
    path, _, heading = link.partition("#")
    file = ROOT / "docs" / path if path else ROOT / "docs" / "backends.md"
    assert file.is_file()
    anchors = {
        re.sub(r"[^\w -]", "", h).strip().lower().replace(" ", "-")
        for h in re.findall(r"^#+ (.*)$", file.read_text(), re.MULTILINE)
    }
    assert not heading or heading in anchors
