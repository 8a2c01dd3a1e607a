"""Which policy file a model plans by: read at the start, held against the models, told to people."""

import logging
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from router.difficulty.prompt import FEATURES
from router.policy.file import Models, PolicyFile, write
from server.embedded import fingerprint
from server.gateway import Model
from server.settings import Settings
from server.wiring import build, models, policies
from server.wiring.policies import Identity, configured, shipped
from tests.server.gateway.tables import flat, table

WEIGHTS = fingerprint()
EMBEDDED = Models("embedded", "embedded-verifier", WEIGHTS)
DATA: dict[str, Any] = {"problems": 300, "truth": "answers"}


def written(folder: Path, made_for: Models = EMBEDDED, **changes: Any) -> Path:
    policy = PolicyFile("2026-11-23T20:00:00Z", made_for, DATA, table())
    path = folder / "policy.json"
    write(replace(policy, **changes), path)
    return path


def served(**settings: Any) -> Model:
    return models.models_of(Settings.model_validate(settings))[0].model


@pytest.fixture(autouse=True)
def _nothing_shipped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policies, "SHIPPED", Path("nowhere.json"))


def test_without_a_file_the_default_policy_plans_and_the_log_says_so(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    build(Settings())
    (line,) = [r.getMessage() for r in caplog.records if "policy" in r.getMessage()]
    assert "no policy file for model cogitate-embedded: the documented default policy applies" in line
    assert "run cogitate calibrate" in line


def test_a_file_made_for_the_model_is_used_and_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    path = written(tmp_path)
    build(Settings(policy=path))
    assert served(policy=path).rules == "calibrated"
    (record,) = [r for r in caplog.records if "policy" in r.getMessage()]
    assert record.levelno == logging.INFO
    for part in (str(path), "2026-11-23T20:00:00Z", "300 problems", "published answers", "embedded-verifier"):
        assert part in record.getMessage()


def test_a_file_made_for_other_models_is_used_with_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = written(tmp_path, replace(EMBEDDED, fingerprint="0" * 16), data={**DATA, "truth": "agreement"})
    build(Settings(policy=path))
    assert served(policy=path).rules == "transferred"
    (record,) = [r for r in caplog.records if "policy" in r.getMessage()]
    assert record.levelno == logging.WARNING
    assert "OTHER MODELS" in record.getMessage()
    assert "for want of answers" in record.getMessage()


@pytest.mark.parametrize(
    ("made_for", "rules"),
    [
        (Models("math", "math scorers"), "calibrated"),
        (Models("qwen", "whatever it is called"), "calibrated"),
        (Models("math", None), "transferred"),
        (Models("llama", "math scorers"), "transferred"),
        (EMBEDDED, "transferred"),
    ],
)
def test_models_on_generators_are_known_by_their_names(tmp_path: Path, made_for: Models, rules: str) -> None:
    model = {"name": "math", "served": "qwen", "generators": ["http://a"], "scorers": ["http://b"]}
    path = written(tmp_path, made_for)
    assert served(models=[{**model, "policy": str(path)}]).rules == rules
    assert served(models=[model]).rules == "default"


def test_a_model_without_a_scorer_fits_a_file_without_one(tmp_path: Path) -> None:
    path = written(tmp_path, Models("math", None))
    assert served(generators="http://a", model="math", policy=path).rules == "calibrated"


def test_the_shipped_policy_is_used_with_the_weights_it_was_made_for_and_no_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policies, "SHIPPED", written(tmp_path))
    assert served().rules == "calibrated"
    assert served(generators="http://a").rules == "default"
    monkeypatch.setattr(policies, "SHIPPED", written(tmp_path, replace(EMBEDDED, fingerprint="0" * 16)))
    assert served().rules == "default"


def test_a_file_that_is_named_wins_over_the_shipped_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policies, "SHIPPED", written(tmp_path))
    own = tmp_path / "own"
    own.mkdir()
    assert served(policy=written(own, made_for=replace(EMBEDDED, fingerprint=None))).rules == "transferred"


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"version": 99}', "\N{LATIN SMALL LETTER E WITH ACUTE}"])
def test_what_is_no_policy_file_stops_the_start(tmp_path: Path, content: str) -> None:
    path = tmp_path / "policy.json"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(ValueError, match=r"COGITATE_POLICY names .*policy\.json, which cannot be used"):
        build(Settings(policy=path))


def test_a_file_that_is_not_there_stops_the_start_and_the_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'policy' of the model math names"):
        served(models=[{"name": "math", "generators": ["http://a"], "policy": str(tmp_path / "none.json")}])


def test_a_file_fitted_to_other_features_stops_the_start(tmp_path: Path) -> None:
    path = written(tmp_path, table=replace(table(), estimate=flat(0.0, len(FEATURES) + 1)))
    with pytest.raises(ValueError, match="other features"):
        configured(path, "COGITATE_POLICY", Identity(frozenset(), True))


def test_a_shipped_file_that_is_damaged_stops_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "policy.json"
    path.write_text("{")
    monkeypatch.setattr(policies, "SHIPPED", path)
    with pytest.raises(ValueError, match="is no policy file"):
        shipped(Identity(frozenset(), True, WEIGHTS))


async def test_the_metrics_tell_which_policy_each_model_has(tmp_path: Path) -> None:
    path = written(tmp_path)
    digest = configured(path, "COGITATE_POLICY", Identity(frozenset(), True, WEIGHTS)).digest
    several = [{"name": "small", "policy": str(path)}, {"name": "large", "generators": ["http://a"]}]
    app, _ = build(Settings.model_validate({"models": several}))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://cogitate") as http:
        metrics, ready = (await http.get("/metrics")).text, (await http.get("/ready")).json()["models"]
    assert f'cogitate_policy_info{{digest="{digest}",model="small",policy="calibrated"}} 1.0' in metrics
    assert 'cogitate_policy_info{digest="",model="large",policy="default"} 1.0' in metrics
    assert (ready["small"]["policy"]["digest"], ready["large"]["policy"]) == (digest, {"rules": "default"})


def test_serving_needs_nothing_that_fits_or_grades():
    heavy = "sklearn scipy sympy math_verify torch router.calibration router.evaluation server.grading"
    serve = "import sys, server.cli.serve; from server.settings import Settings; from server.wiring import build; "
    look = f"build(Settings()); print(sorted(set({heavy!r}.split()) & sys.modules.keys()))"
    told = subprocess.run([sys.executable, "-c", serve + look], capture_output=True, text=True, timeout=120, check=True)
    assert told.stdout.strip() == "[]"
