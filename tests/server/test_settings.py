from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from server.settings import Settings


def test_the_defaults_serve_on_this_machine_only() -> None:
    settings = Settings()
    assert (settings.host, settings.port, list(settings.backends)) == ("127.0.0.1", 8000, ["cogitate-embedded"])


def test_a_model_without_a_name_has_the_one_it_is_served_under() -> None:
    assert list(Settings(generators=("http://a",), served="math").backends) == ["math"]
    assert list(Settings(generators=("http://a",)).backends) == ["default"]
    assert list(Settings(generators=("http://a",), served="math", model="mine").backends) == ["mine"]


def test_the_environment_is_read_under_its_prefix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COGITATE_PORT", "9000")
    monkeypatch.setenv("COGITATE_DEFAULT_BUDGET", "samples=8")
    monkeypatch.setenv("PORT", "7000")
    settings = Settings()
    assert (settings.port, settings.default_budget) == (9000, "samples=8")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "70000"),
        ("PORT", "http"),
        ("MAX_SAMPLES", "0"),
        ("PRICE", "0"),
        ("PRICE", "1.5"),
        ("PRICE", "cheap"),
        ("MAX_DEADLINE", "0"),
        ("MAX_DEADLINE", "inf"),
        ("MAX_CONCURRENCY", "0"),
        ("MODEL", ""),
        ("LOG_LEVEL", "loud"),
    ],
)
def test_what_makes_no_sense_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"COGITATE_{name}", value)
    with pytest.raises(ValidationError):
        Settings()


def test_one_model_on_a_pool_is_named_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COGITATE_GENERATORS", "http://a:8000, dns+http://vllm:8000/base")
    monkeypatch.setenv("COGITATE_SCORERS", "http://prm:8100")
    monkeypatch.setenv("COGITATE_MODEL", "qwen")
    monkeypatch.setenv("COGITATE_API_KEY", "secret")
    settings = Settings()
    assert list(settings.backends) == ["qwen"]
    assert settings.backends["qwen"].generators == ("http://a:8000", "dns+http://vllm:8000/base")
    assert settings.backends["qwen"].scorers == ("http://prm:8100",)
    assert "secret" not in repr(settings)


def test_several_models_are_read_from_a_file_and_the_environment_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "cogitate.toml"
    file.write_text(
        """
        port = 9000
        log_level = "debug"

        [[models]]
        name = "small"
        generators = ["http://a:8000", "http://b:8000"]

        [[models]]
        name = "large"
        generators = "http://c:8000"
        scorers = ["http://prm:8100"]
        scorer_ratio = 0.5
        """
    )
    monkeypatch.setenv("COGITATE_CONFIG", str(file))
    monkeypatch.setenv("COGITATE_LOG_LEVEL", "error")
    settings = Settings()
    assert (settings.port, settings.log_level) == (9000, "error")
    assert list(settings.backends) == ["small", "large"]
    assert settings.backends["large"].generators == ("http://c:8000",)
    assert settings.backends["large"].scorer_ratio == 0.5


def test_without_generators_the_model_is_the_embedded_one() -> None:
    assert [b.generators for b in Settings().backends.values()] == [()]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"generators": "ftp://a"}, "looks like"),
        ({"generators": "http://a b"}, "looks like"),
        ({"generators": "http://a?key=1"}, "looks like"),
        ({"generators": "http://me:secret@a"}, "api_key"),
        ({"generators": "http://a:99999"}, "port|Port"),
        ({"generators": "http://a:http"}, "port|Port"),
        ({"generators": "http://[::1"}, "no URL"),
        ({"generators": "dns+https://a"}, "certificates"),
        ({"generators": "http://a", "context": 1}, "context"),
        ({"generators": "http://a", "api_key": "two words"}, "ASCII"),
        ({"generators": "http://a", "api_key": "clé"}, "ASCII"),
        ({"served": "x"}, "'served' without"),
        ({"api_key": "secret"}, "'api_key' without"),
        ({"models": [{"name": "x", "scorers": ["http://a"]}]}, "has its own"),
        ({"models": [{"name": "x", "generators": ["http://a"]}], "api_key": "k"}, "api_key of several models"),
        ({"models": [{"name": "x", "generators": ["http://a"]}], "scorers": "http://b"}, "scorers of several models"),
        ({"scorers": "http://a"}, "has its own"),
        ({"generators": "http://a", "models": [{"name": "x"}]}, "several models"),
        ({"models": [{"name": "x"}, {"name": "x"}]}, "same name"),
        ({"models": [{"name": "x", "generator": "http://a"}]}, "generator"),
        ({"models": [{"generators": "http://a"}]}, "name"),
        ({"models": [{"name": "x"}], "policy": "p.json"}, "policy of several models"),
        ({"generators": "http://a", "scorer_ratio": 0}, "scorer_ratio"),
        ({"generators": "http://a", "dialect": "klingon"}, "dialect"),
    ],
)
def test_backends_that_make_no_sense_are_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Settings.model_validate(fields)


def test_a_policy_file_is_named_for_one_model_or_for_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COGITATE_POLICY", "own.json")
    assert Settings().backends["cogitate-embedded"].policy == Path("own.json")
    monkeypatch.setenv("COGITATE_POLICY", "")
    assert Settings().policy is None
    file = tmp_path / "cogitate.toml"
    file.write_text(
        """
        [[models]]
        name = "small"
        policy = "small.json"

        [[models]]
        name = "large"
        generators = ["http://c:8000"]
        policy = "large.json"
        """
    )
    monkeypatch.setenv("COGITATE_CONFIG", str(file))
    assert [b.policy for b in Settings().backends.values()] == [Path("small.json"), Path("large.json")]


def test_what_is_empty_is_not_set_and_a_key_has_no_line_end(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GENERATORS", "SCORERS", "SERVED", "SYSTEM", "API_KEY"):
        monkeypatch.setenv(f"COGITATE_{name}", "")
    assert Settings().served is None
    monkeypatch.setenv("COGITATE_GENERATORS", "http://a")
    monkeypatch.setenv("COGITATE_API_KEY", "secret\n")
    settings = Settings()
    assert (settings.system, settings.scorers) == (None, ())
    assert settings.api_key
    assert settings.api_key.get_secret_value() == "secret"


def test_a_key_that_is_refused_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COGITATE_GENERATORS", "http://a")
    monkeypatch.setenv("COGITATE_API_KEY", "my secret")
    with pytest.raises(ValidationError) as caught:
        Settings()
    assert "secret" not in str(caught.value)


def test_a_file_that_is_named_has_to_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COGITATE_CONFIG", "/nowhere/cogitate.toml")
    with pytest.raises(ValueError, match="no such file"):
        Settings()
