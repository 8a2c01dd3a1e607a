import pytest
from pydantic import ValidationError

from server.settings import Settings


def test_the_defaults_serve_on_this_machine_only() -> None:
    settings = Settings()
    assert (settings.host, settings.port, settings.model) == ("127.0.0.1", 8000, "cogitate-embedded")


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
