"""The rules, as promtool reads and tries them: over real hours and days, on figures that are made up."""

import re
import subprocess

import pytest

from .definitions import PROMETHEUS, alerts

TESTS = sorted((PROMETHEUS / "tests").glob("*.yml"))


def test_the_configuration_and_all_rules_are_valid(promtool: str) -> None:
    _run(promtool, "check", "config", "--lint=all", "--lint-fatal", str(PROMETHEUS / "prometheus.yml"))


@pytest.mark.parametrize("path", TESTS, ids=lambda p: p.stem)
def test_alerts_fire_when_they_should_and_not_otherwise(promtool: str, path: str) -> None:
    _run(promtool, "test", "rules", str(path))


def test_every_alert_is_seen_to_fire_by_a_test_of_promtool() -> None:
    told = "\n".join(path.read_text() for path in TESTS)
    fired = set(re.findall(r'ALERTS\{alertname="(\w+)",alertstate="firing"', told))
    fired |= set(re.findall(r"alertname: (\w+)\n\s+exp_alerts:\n", told))
    assert {rule.name for rule in alerts()} <= fired


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
