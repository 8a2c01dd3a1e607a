"""Every target is complete, holds no secret, and embeds what is made elsewhere as it is there."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from yamllint import linter
from yamllint.config import YamlLintConfig

from . import rules
from .rendering import FOLDER, ROOT, TARGETS, container, of, one, render

DASHBOARDS = ROOT / "deploy" / "grafana" / "dashboards" / "json"


@pytest.mark.parametrize("target", TARGETS)
def test_there_is_no_secret_in_what_is_applied(target: str) -> None:
    assert of(render(target), "Secret") == []


@pytest.mark.parametrize("target", TARGETS)
def test_everything_is_in_one_namespace_that_is_made_with_it(target: str) -> None:
    objects = render(target)
    (namespace,) = of(objects, "Namespace")
    others = {o["metadata"].get("namespace") for o in objects if o is not namespace}
    assert others == {namespace["metadata"]["name"]}


def test_every_part_is_in_some_target() -> None:
    used = set[str]()
    for target in TARGETS:
        used.update(_parts(FOLDER / target))
    assert used == {str(f.parent.relative_to(FOLDER)) for f in FOLDER.rglob("kustomization.yaml")}


def _parts(folder: Path) -> set[str]:
    """The folders that a kustomization is made of, its own among them."""
    read = yaml.safe_load((folder / "kustomization.yaml").read_text())
    named = [folder / name for name in (*read.get("resources", ()), *read.get("components", ()))]
    below = [_parts(path.resolve()) for path in named if path.is_dir() and FOLDER in path.resolve().parents]
    return {str(folder.relative_to(FOLDER))}.union(*below)


@pytest.mark.parametrize("target", TARGETS)
def test_images_have_a_version_and_ours_is_this_one(target: str) -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    for workload in of(render(target), "Deployment"):
        name, _, tag = container(workload)["image"].rpartition(":")
        assert tag
        assert tag != "latest"
        assert "cogitate" not in name or tag == version


def test_the_rules_are_those_of_prometheus() -> None:
    groups = [g for f in sorted((ROOT / "deploy" / "prometheus" / "rules").glob("*.yml")) for g in _groups(f)]
    assert one(render("overlays/production"), "PrometheusRule", "cogitate")["spec"]["groups"] == groups


def _groups(file: Path) -> list[object]:
    return yaml.safe_load(file.read_text())["groups"]


def test_the_committed_rules_are_fresh_and_stale_ones_would_be_seen(tmp_path: Path) -> None:
    made, committed = tmp_path / "rule.yaml", FOLDER / "components" / "monitoring" / "prometheus-rule.yaml"
    subprocess.run([sys.executable, ROOT / "tools" / "prometheus-rule.py", made], check=True)
    assert made.read_text() == committed.read_text(), "run python tools/prometheus-rule.py"
    assert "CogitateDown" in made.read_text()


@pytest.mark.parametrize("target", ["overlays/production", "overlays/keda"])
def test_every_dashboard_is_there_for_the_sidecar_as_it_was_made(target: str) -> None:
    found = dict[str, object]()
    for each in of(render(target), "ConfigMap"):
        if each["metadata"].get("labels", {}).get("grafana_dashboard") == "1":
            assert len(json.dumps(each["data"])) < 1_000_000  # what a ConfigMap may hold
            found |= {name: json.loads(text) for name, text in each["data"].items()}
    assert found == {file.name: json.loads(file.read_text()) for file in DASHBOARDS.glob("*.json")}
    assert found


def test_a_changed_setting_is_a_new_rollout() -> None:
    names = {
        container(one(render(target), "Deployment", "cogitate"))["envFrom"][0]["configMapRef"]["name"]
        for target in TARGETS
        if target != "vllm"
    }
    assert len(names) == 3
    assert all(re.fullmatch(r"cogitate-settings-[a-z0-9]{10}", name) for name in names)


def test_the_operator_is_told_of_every_secret() -> None:
    told = (ROOT / "docs" / "kubernetes.md").read_text()
    for name in rules.EXPECTED_SECRETS:
        assert re.search(rf"create secret generic {name} ", told), name


def test_prometheus_adapter_is_told_of_the_metric_that_the_autoscaler_reads() -> None:
    (rule,) = yaml.safe_load((FOLDER / "components" / "autoscaling" / "prometheus-adapter.yaml").read_text())["rules"]
    scaler = one(render("overlays/production"), "HorizontalPodAutoscaler", "cogitate")
    assert rule["name"]["as"] == scaler["spec"]["metrics"][0]["pods"]["metric"]["name"]
    assert rule["seriesQuery"].startswith(rule["name"]["as"] + "{")
    assert "<<.LabelMatchers>>" in rule["metricsQuery"]


def complaints(text: str, name: str) -> list[str]:
    config = YamlLintConfig(file=str(FOLDER / ".yamllint.yaml"))
    return [f"{name}:{p.line}: {p.desc}" for p in linter.run(text, config)]


def test_the_files_are_well_formed() -> None:
    files = [f for f in FOLDER.rglob("*.yaml") if f.name != "prometheus-rule.yaml"]
    assert [c for f in files for c in complaints(f.read_text(), f.name)] == []


def test_an_ill_formed_file_is_found() -> None:
    assert complaints("a: 1\na: 2\n", "twice")
    assert complaints("mode: 0440\n", "octal")
    assert complaints("on: yes\n", "truth")
