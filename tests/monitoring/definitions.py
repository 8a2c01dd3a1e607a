"""The dashboards and rules of deploy/, read as data: their queries, and the metrics in them."""

import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
GRAFANA = ROOT / "deploy" / "grafana"
PROMETHEUS = ROOT / "deploy" / "prometheus"
BOARDS = GRAFANA / "dashboards" / "json"
RUNBOOK = ROOT / "docs" / "runbook.md"

_DURATIONS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_WORDS = frozenset(
    {"and", "or", "unless", "by", "without", "on", "ignoring", "group_left", "group_right", "offset", "bool"}
)
_GROUPINGS = re.compile(r"\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)")
_LITERALS = re.compile(r'"[^"]*"')
_SELECTORS = re.compile(r"\{[^}]*\}|\[[^]]*\]")
_NAME = re.compile(r"(?<![\w.$:])([a-zA-Z_:][\w:]*)\b(?!\s*\()")
_AFTER_A_NUMBER = re.compile(r"\b\d[\w.]*")


@dataclass(frozen=True)
class Panel:
    """A panel that asks for something: its queries by legend."""

    board: str
    title: str
    kind: str
    queries: tuple[tuple[str, str], ...]
    json: dict[str, Any]


@dataclass(frozen=True)
class Rule:
    """A rule as its file says it; `alert` is None for those that record."""

    name: str
    expr: str
    alert: dict[str, Any] | None = None


@cache
def boards() -> dict[str, dict[str, Any]]:
    """Return the committed dashboards by uid."""
    return {board["uid"]: board for board in (json.loads(path.read_text()) for path in sorted(BOARDS.glob("*.json")))}


@cache
def panels() -> tuple[Panel, ...]:
    """Return the panels of all dashboards, without the rows' headings."""
    return tuple(
        Panel(
            uid,
            panel["title"],
            panel["type"],
            tuple((target["legendFormat"], target["expr"]) for target in panel["targets"]),
            panel,
        )
        for uid, board in boards().items()
        for panel in board["panels"]
        if panel["type"] != "row"
    )


@cache
def rules() -> tuple[Rule, ...]:
    """Return all rules."""
    files = [yaml.safe_load(path.read_text()) for path in sorted((PROMETHEUS / "rules").glob("*.yml"))]
    return tuple(
        Rule(rule.get("alert") or rule["record"], rule["expr"], rule if "alert" in rule else None)
        for file in files
        for group in file["groups"]
        for rule in group["rules"]
    )


def alerts() -> tuple[Rule, ...]:
    """Return the rules that alert."""
    return tuple(rule for rule in rules() if rule.alert)


def metrics_in(expr: str) -> frozenset[str]:
    """Return the names of the metrics in a query: what is neither a function, a word, a label nor a number."""
    for pattern in (_LITERALS, _GROUPINGS, _SELECTORS, _AFTER_A_NUMBER):
        expr = pattern.sub(" ", expr)
    return frozenset(_NAME.findall(expr)) - _WORDS


def seconds(duration: str) -> int:
    """Return how long `duration`, such as 5m, is."""
    return int(duration[:-1]) * _DURATIONS[duration[-1]]


def hurried(text: str, times: int) -> str:
    """Return a query with all its windows so many times as short, to the second: with 20, [5m] becomes [15s]."""
    return re.sub(r"\[(\d+[smhd])\]", lambda window: f"[{max(1, seconds(window[1]) // times)}s]", text)
