"""The metrics there are: the gateway's and the scoring service's as the code declares them, and vLLM's from a list."""

import re
from functools import cache
from pathlib import Path

from server.observers import Metrics
from server.prm.metrics import Metrics as PrmMetrics

from .definitions import rules

_SUFFIXES = {"histogram": ("_bucket", "_sum", "_count"), "counter": ("",), "gauge": ("",)}


@cache
def labels() -> dict[str, frozenset[str]]:
    """Return the labels of each of the gateway's series, without those that Prometheus adds."""
    return {
        declared.name + suffix: frozenset(declared.labels) | ({"le"} if suffix == "_bucket" else frozenset())
        for declared in Metrics("0").catalogue.declared
        for suffix in _SUFFIXES[declared.kind]
    }


@cache
def known() -> frozenset[str]:
    """Return the names of all series that dashboards and rules may ask for."""
    recorded = {rule.name for rule in rules() if not rule.alert}
    return frozenset({*labels(), *_scoring(), *_vllm(), *recorded, "up", "ALERTS"})


def _scoring() -> set[str]:
    declared = re.findall(r"^# TYPE (\S+) (\w+)$", PrmMetrics("0").exposed().decode(), re.MULTILINE)
    return {name + suffix for name, kind in declared for suffix in _SUFFIXES[kind]}


def _vllm() -> set[str]:
    lines = (Path(__file__).parent / "vllm-0.33.0-metrics.txt").read_text().splitlines()
    listed = [line.split() for line in lines if line and not line.startswith("#")]
    return {name + suffix for name, kind in listed for suffix in _SUFFIXES[kind]}
