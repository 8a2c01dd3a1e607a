"""The policy scanner passes what is deployed, and would not pass what is not safe."""

import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from .rendering import FOLDER, ROOT, TARGETS, Object, container, one, pod, render

CHECKOV = Path(os.environ.get("CHECKOV", ROOT / ".venv-policy" / "bin" / "checkov"))


@pytest.fixture
def scanner() -> None:
    """It is there. `tools/check-kubernetes.sh` installs it."""
    if not CHECKOV.exists():
        reason = "no policy scanner: tools/check-kubernetes.sh installs it"
        if os.environ.get("COGITATE_OPERATIONS") == "1":
            pytest.fail(reason)
        pytest.skip(reason)


def scan(*files: Path) -> subprocess.CompletedProcess[str]:
    command = [ROOT / "tools" / "check-kubernetes.sh", *files]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "CHECKOV": CHECKOV})


@pytest.mark.usefixtures("scanner")
def test_the_scanner_passes_everything_that_is_deployed() -> None:
    done = scan()
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.usefixtures("scanner")
def test_the_scanner_refuses_what_is_not_safe(tmp_path: Path) -> None:
    found = one(render("overlays/trial"), "Deployment", "cogitate")
    container(found)["securityContext"] = {"privileged": True}
    pod(found)["hostNetwork"] = True
    (tmp_path / "unsafe.yaml").write_text(yaml.safe_dump(found))
    done = scan(tmp_path / "unsafe.yaml")
    assert done.returncode != 0
    assert {"CKV_K8S_16", "CKV_K8S_19", "CKV_K8S_20"} <= set(re.findall(r"CKV_K8S_\d+", done.stdout))


def test_the_script_scans_every_target() -> None:
    text = (ROOT / "tools" / "check-kubernetes.sh").read_text()
    (listed,) = re.findall(r"^  for target in (.*); do$", text, re.MULTILINE)
    assert tuple(listed.split()) == TARGETS


def test_every_excuse_has_its_reason() -> None:
    lines = (FOLDER / ".checkov.yaml").read_text().partition("skip-check:\n")[2].splitlines()
    for before, line in zip(["", *lines], lines, strict=False):
        assert not line.strip().startswith("- ") or before.strip().startswith("#")
    excused: Object = one(render("vllm"), "Deployment", "vllm")["metadata"]["annotations"]
    assert all(re.fullmatch(r"CKV_K8S_\d+=.{20,}", text) for text in excused.values())
