"""Makes the PrometheusRule of deploy/kubernetes from deploy/prometheus/rules: `python tools/prometheus-rule.py [FILE]`.

A file of rules is what stands under `spec` of a PrometheusRule, and kustomize has no way to put the one into the other.
"""

import sys
from pathlib import Path
from typing import Any

import yaml

_ROOT = Path(__file__).parents[1]
_RULES = _ROOT / "deploy" / "prometheus" / "rules"
_MADE = _ROOT / "deploy" / "kubernetes" / "components" / "monitoring" / "prometheus-rule.yaml"


def made() -> str:
    """Return the object, with the groups of all files in the order of their names."""
    groups: list[Any] = []
    for file in sorted(_RULES.glob("*.yml")):
        groups += yaml.safe_load(file.read_text(encoding="utf-8"))["groups"]
    rule = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "cogitate"},
        "spec": {"groups": groups},
    }
    text = yaml.safe_dump(rule, sort_keys=False, width=1000, allow_unicode=True)
    return f"# Made by tools/prometheus-rule.py from deploy/prometheus/rules: change it there.\n{text}"


if __name__ == "__main__":
    Path(sys.argv[1] if len(sys.argv) > 1 else _MADE).write_text(made(), encoding="utf-8")
