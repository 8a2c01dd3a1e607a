"""The file of keys as the kubelet mounts it: read by a group, behind a link that is exchanged whole."""

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from server.cli.keys import app
from server.keys import Keyring

from .rendering import ROOT, one, pod, render


class Mounted:
    """A Secret as a folder: `keys.json` leads to `..data/keys.json`, and `..data` to the version that holds now."""

    def __init__(self, folder: Path) -> None:
        self.folder, self._versions = folder, 0

    def update(self, content: bytes, mode: int) -> None:
        self._versions += 1
        version = self.folder / f"..version_{self._versions}"
        version.mkdir()
        (version / "keys.json").write_bytes(content)
        (version / "keys.json").chmod(mode)
        draft = self.folder / "..data_tmp"
        draft.symlink_to(version.name)
        draft.replace(self.folder / "..data")
        if self._versions == 1:
            (self.folder / "keys.json").symlink_to("..data/keys.json")


def key(file: Path, name: str) -> str:
    return CliRunner().invoke(app, ["create", name, "--file", str(file)]).stdout.strip()


def test_a_revoked_key_is_refused_once_the_kubelet_has_brought_the_new_secret(tmp_path: Path) -> None:
    source, mounted, now = tmp_path / "keys.json", Mounted(tmp_path / "mount"), 0.0
    mounted.folder.mkdir()
    (volume,) = (v for v in pod(one(render("overlays/trial"), "Deployment", "cogitate"))["volumes"] if "secret" in v)
    mode = volume["secret"]["defaultMode"]
    token = key(source, "one")
    mounted.update(source.read_bytes(), mode)
    ring = Keyring.read(mounted.folder / "keys.json", lambda: now)
    assert ring.find(token)

    other = key(source, "other")
    assert CliRunner().invoke(app, ["revoke", "one", "--file", str(source)]).exit_code == 0
    mounted.update(source.read_bytes(), mode)
    now += 2
    assert ring.find(token) is None
    assert ring.find(other)


def test_the_commands_of_the_document_make_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "docs" / "kubernetes.md").read_text()
    commands = re.findall(r"^cogitate keys (create [^>\n]*)", text, re.MULTILINE)
    assert len(commands) == 3
    for command in commands:
        done = CliRunner().invoke(app, shlex.split(command))
        assert done.exit_code == 0, done.output
        assert done.stdout.startswith("cog_")
