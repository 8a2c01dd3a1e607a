"""docs/kubernetes.md and docs/operations.md: what they lead to exists, and their sums are right."""

import json
import re
from math import ceil
from pathlib import Path

import pytest

from server.keys.shared import PREFIX

from .rendering import ROOT, TARGETS, container, of, render

DOCUMENTS = ("kubernetes.md", "operations.md", "adr/0017-kubernetes.md")
SIZING = (ROOT / "docs" / "operations.md").read_text()


def anchors(file: Path) -> set[str]:
    """The anchors that GitHub makes of a document's headings."""
    headings = re.findall(r"^#+ (.*)$", file.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_link_leads_somewhere(name: str) -> None:
    document = ROOT / "docs" / name
    links = re.findall(r"\]\(([^)#\s]*)(?:#([^)\s]+))?\)", document.read_text())
    for path, anchor in links:
        if path.startswith("https://"):
            continue
        target = (document.parent / path).resolve() if path else document
        assert target.exists(), path
        assert not anchor or anchor in anchors(target), f"{path}#{anchor}"


def test_every_target_is_described_and_nothing_else() -> None:
    text = (ROOT / "docs" / "kubernetes.md").read_text()
    rows = re.findall(r"^\| `(overlays/\w+|vllm)` \|", text, re.MULTILINE)
    assert tuple(rows) == TARGETS
    for target in re.findall(r"apply -k deploy/kubernetes/(\S+)", text):
        assert target in TARGETS


def row(label: str) -> list[float]:
    """The numbers of the last table's row that begins with `label`."""
    (found,) = re.findall(rf"^\| {re.escape(label)} \|(.*)\|$", SIZING, re.MULTILINE)
    return [float(cell.replace(",", "")) for cell in found.split("|")]


def test_the_measured_figures_are_those_of_the_evaluation() -> None:
    table = (ROOT / "docs" / "evaluation.md").read_text()
    for label, strategy, n in (
        ("one answer", "greedy", "1"),
        ("`auto` at the default price (0.002)", "**the router**", "auto:0.002"),
        ("`auto` at 0.01", "**the router**", "auto:0.01"),
        ("weighted best-of-N, always 16", "weighted best-of-N", "16"),
        ("weighted best-of-N, always 64", "weighted best-of-N", "64"),
    ):
        pattern = rf"^\| {re.escape(strategy)} \| {re.escape(n)} \| ([\d.]+) [^|]*\|[^|]*\| (\d+) \| (\d+) \|$"
        accuracy, generated, compute = map(float, re.findall(pattern, table, re.MULTILINE)[0])
        told = row(label)
        assert told[:2] == [accuracy, generated]
        assert told[3] == compute
        assert told[2] == pytest.approx(generated / 70, abs=0.06)
        assert told[4] == pytest.approx(compute / 70, abs=0.06)


def test_the_worked_example_is_worked_right() -> None:
    q, length, seconds, full, generated, read = 5, 500, 12.5, 0.7, 800, 2640
    scored = (740 - 339) / 3.38 / 339
    assert scored == pytest.approx(0.35, abs=0.005)
    assert pytest.approx(read, rel=0.01) == 125e12 * 0.3 / (2 * 7.1e9)
    assert pytest.approx(generated, rel=0.01) == 6423 / 8
    answers = (1.0, 4.8, 16.0)
    tokens = [q * e * length for e in answers]
    judged = [0.0, 0.35, 0.35]
    assert row("generated tokens a second, q E L") == tokens
    assert row("generator GPUs, at u = 0.7") == [ceil(t / (full * generated)) for t in tokens]
    assert row("scorer GPUs") == [ceil(t * j / (full * read)) for t, j in zip(tokens, judged, strict=True)]
    flying = [q * e * seconds for e in answers]
    assert row("samples in flight") == [ceil(f) for f in flying]
    assert row("gateways") == [max(2, ceil(f / 128)) for f in flying]
    assert row("processors for them") == pytest.approx([t / 100 * 68e-6 for t in tokens], rel=0.2)


def test_the_gateways_processor_time_is_the_measured_one() -> None:
    figures = json.loads((ROOT / "docs" / "results" / "fanout.json").read_text())["figures"]
    assert any(figure["microseconds"] == pytest.approx(68, abs=0.2) for figure in figures)


def test_the_objectives_are_those_of_the_rules() -> None:
    rules = (ROOT / "deploy" / "prometheus" / "rules" / "alerts.yml").read_text()
    assert "**99.5 %**" in SIZING
    assert "14.4 * 0.005" in rules
    assert "**95 %**" in SIZING
    assert "14.4 * 0.05 " in rules


@pytest.mark.parametrize("target", TARGETS)
def test_images_of_the_documents_are_those_of_the_manifests(target: str) -> None:
    text = (ROOT / "docs" / "kubernetes.md").read_text()
    tags = {container(w)["image"].rpartition(":")[2] for w in of(render(target), "Deployment")}
    loaded = re.findall(r"kind load docker-image cogitate:(\S+?)`", text)
    assert target != "overlays/trial" or set(loaded) <= tags


def test_the_counters_that_are_dropped_after_a_rollback_are_those_of_the_quotas() -> None:
    assert f"--pattern '{PREFIX}*'" in SIZING
