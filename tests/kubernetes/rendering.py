"""The manifests as a cluster would get them: rendered by kubectl's kustomize, without a cluster."""

import subprocess
import sys
from collections.abc import Iterable
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any, cast

import yaml

Object = dict[str, Any]

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "kubernetes"
TARGETS = ("overlays/trial", "overlays/production", "overlays/keda", "vllm")
"""What can be applied. `base` and the components are parts."""


def render(target: str) -> list[Object]:
    """Return the objects of a target, which are the caller's to change."""
    return deepcopy(_rendered(target))


@cache
def _rendered(target: str) -> list[Object]:
    kubectl = Path(sys.executable).with_name("kubectl")
    command = [str(kubectl), "kustomize", str(FOLDER / target)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not done.stderr, done.stderr  # deprecations
    return [cast("Object", found) for found in yaml.safe_load_all(done.stdout)]


def of(objects: Iterable[Object], kind: str) -> list[Object]:
    """Return the objects of a kind."""
    return [found for found in objects if found["kind"] == kind]


def one(objects: Iterable[Object], kind: str, name: str) -> Object:
    """Return the object of that kind and name."""
    (found,) = (found for found in of(objects, kind) if found["metadata"]["name"] == name)
    return found


def called(found: Object) -> str:
    """Return how an object is called in a fault."""
    return f"{found['kind']}/{found['metadata']['name']}"


def pod(workload: Object) -> Object:
    """Return the specification of a workload's pods."""
    return workload["spec"]["template"]["spec"]


def container(workload: Object) -> Object:
    """Return the only container of a workload."""
    (only,) = pod(workload)["containers"]
    return only


def labels(workload: Object) -> dict[str, str]:
    """Return the labels of a workload's pods."""
    return workload["spec"]["template"]["metadata"]["labels"]


def variables(objects: Iterable[Object], workload: Object) -> dict[str, str]:
    """Return the environment of a workload's container, secrets as `secret`."""
    objects, found = list(objects), dict[str, str]()
    for source in container(workload).get("envFrom", ()):
        found |= one(objects, "ConfigMap", source["configMapRef"]["name"])["data"]
    for variable in container(workload).get("env", ()):
        found[variable["name"]] = variable.get("value", "secret")
    return found
