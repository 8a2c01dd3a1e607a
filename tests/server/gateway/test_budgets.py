from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.gateway.budgets import EFFORTS, PRESETS, Grant, check_default, grant
from server.gateway.deps import Limits
from server.gateway.schemas import ChatRequest, Reasoning
from server.web.errors import ApiError

from .serving import LIMITS, ask, deps, question


def granted(header: str | None = None, limits: Limits = LIMITS, **fields: Any) -> Grant:
    return grant(ChatRequest.model_validate({**question(), **fields}), header, limits)


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_is_read_in_any_case_and_with_spaces(preset: str) -> None:
    for text in (preset, preset.upper(), f"  {preset.title()} "):
        assert granted(text).preset == preset
        assert granted(text).samples == PRESETS[preset]


@pytest.mark.parametrize(
    ("text", "samples", "tokens", "deadline", "strategy"),
    [
        ("samples=16", 16, None, 60.0, None),
        ("samples=16, tokens=20000, deadline=2.5", 16, 20000, 2.5, None),
        ("tokens=500", 256, 500, 60.0, None),
        ("deadline=3", 256, None, 3.0, None),
        ("deadline=3600", 256, None, 60.0, None),
        ("strategy=beam_search", 64, None, 60.0, "beam_search"),
        ('strategy="dvts",samples=8', 8, None, 60.0, "dvts"),
        ("high, deadline=2.5", 32, None, 2.5, None),
        ("deadline=2.5,HIGH", 32, None, 2.5, None),
        ("high, samples=3", 3, None, 60.0, None),
        ("samples=4, samples=5", 5, None, 60.0, None),
        ("price=0.01", 64, None, 60.0, None),
        ("samples=8, price=1", 8, None, 60.0, None),
    ],
)
def test_a_dictionary_bounds_what_it_names(
    text: str, samples: int, tokens: int | None, deadline: float, strategy: str | None
) -> None:
    g = granted(text)
    assert (g.budget.samples, g.budget.tokens, g.budget.deadline, g.strategy) == (samples, tokens, deadline, strategy)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "huge",
        "high, low",
        "samples",
        "samples=0",
        "samples=-1",
        "samples=257",
        "samples=1.5",
        "samples=?1",
        'samples="4"',
        "samples=(1 2)",
        "samples=4;x=1",
        "samples=1e3",
        "samples=99999999999999999999",
        "tokens=0",
        "tokens=2.5",
        "deadline=0",
        "deadline=-1.5",
        "deadline=NaN",
        "deadline=inf",
        "strategy=magic",
        "strategy=1",
        "strategy",
        "price",
        "price=0",
        "price=-0.1",
        "price=1.001",
        "price=0.0001",
        "price=free",
        "price=0.1, strategy=dvts",
        "high=3",
        "high=?0",
        "speed=3",
        "samples=4,,tokens=3",
        "samples=4 tokens=3",
        "Samples=4",
        "{}",
        "é",
        "a" * 5000,
        "samples=4," * 1000 + "samples=4",
    ],
)
def test_what_cannot_be_read_is_refused_with_what_is_allowed(text: str) -> None:
    with pytest.raises(ApiError) as refusal:
        granted(text)
    assert refusal.value.status == 400
    assert refusal.value.param == "X-Compute-Budget"
    assert "minimal, low, medium, high, max, auto" in refusal.value.message
    assert "samples=<1..256>" in refusal.value.message
    assert len(refusal.value.message) < 600


@settings(deadline=None, derandomize=True, max_examples=50)
@given(st.text(max_size=40))
def test_no_text_is_anything_but_granted_or_refused(text: str) -> None:
    try:
        g = granted(text)
    except ApiError as refusal:
        status = refusal.status
    else:
        status = 200
        assert 1 <= g.samples <= LIMITS.max_samples
        assert g.budget.deadline
        assert 0 < g.budget.deadline <= LIMITS.max_deadline
    assert status in {200, 400}


@pytest.mark.parametrize(("effort", "preset"), EFFORTS.items())
def test_an_effort_is_a_preset(effort: str, preset: str) -> None:
    assert granted(reasoning_effort=effort).preset == preset
    assert granted(reasoning=Reasoning(effort=effort)).preset == preset


def test_the_header_wins_over_the_field_and_the_field_over_the_effort() -> None:
    everything: dict[str, Any] = {
        "compute_budget": "samples=2",
        "reasoning_effort": "medium",
        "reasoning": Reasoning(effort="high"),
    }
    assert granted("low", **everything).source == "header"
    assert granted(**everything).source == "compute_budget"
    assert granted(**{**everything, "compute_budget": None}).source == "reasoning_effort"
    assert granted(reasoning=Reasoning(effort="high")).source == "reasoning.effort"
    assert granted().source == "default"


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"reasoning_effort": "extreme"}, "reasoning_effort"),
        ({"reasoning": Reasoning(effort="extreme")}, "reasoning.effort"),
        ({"compute_budget": "extreme"}, "compute_budget"),
    ],
)
def test_the_place_at_fault_is_named(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(ApiError) as refusal:
        granted(**fields)
    assert refusal.value.param == param


def test_presets_keep_to_the_operators_maximum() -> None:
    limits = replace(LIMITS, max_samples=10)
    assert granted("max", limits).samples == 10
    assert granted("low", limits).samples == 4
    assert granted("deadline=1", limits).samples == 10


def test_what_was_granted_can_be_read_back() -> None:
    g = granted("high, tokens=900, deadline=1.25, strategy=dvts")
    assert g.header == "samples=32, tokens=900, deadline=1.25, strategy=dvts"
    assert granted(g.header).budget == g.budget


def test_a_default_that_cannot_be_read_stops_the_start() -> None:
    with pytest.raises(ValueError, match="'lots' cannot be read"):
        check_default(replace(LIMITS, default_budget="lots"))


@pytest.mark.parametrize(
    ("text", "price"),
    [
        ("auto", 0.002),
        ("auto, samples=8", 0.002),
        ("auto, price=0.01", 0.01),
        ("price=1", 1.0),
        ("high, price=0.5", 0.5),
        ("high", 0.00002),
        ("samples=8", 0.00002),
        ("tokens=900", 0.00002),
    ],
)
def test_auto_has_the_servers_price_and_what_is_named_is_spent(text: str, price: float) -> None:
    assert granted(text).price == price


def test_a_price_that_was_asked_for_is_echoed() -> None:
    g = granted("auto, price=0.005")
    assert g.header == "samples=64, deadline=60.0, price=0.005"
    assert granted(g.header).price == g.price
    assert "price" not in granted("auto").header


@pytest.mark.parametrize(
    ("text", "demanded"),
    [("samples=8", True), ("strategy=dvts", True), ("auto, samples=8", False), ("high", False), ("tokens=9", False)],
)
def test_a_number_of_samples_beside_a_preset_is_a_bound_and_no_demand(text: str, demanded: bool) -> None:
    assert granted(text).demanded is demanded


async def test_what_was_granted_names_the_price() -> None:
    body = (await ask(headers={"X-Compute-Budget": "auto, price=0.25"})).json()
    pinned = (await ask(headers={"X-Compute-Budget": "strategy=greedy"})).json()
    assert body["compute"]["budget"]["granted"]["price"] == 0.25
    assert pinned["compute"]["budget"]["granted"]["price"] is None


async def test_several_header_lines_are_one_dictionary() -> None:
    lines = [("X-Compute-Budget", "samples=5"), ("X-Compute-Budget", "strategy=best_of_n")]
    body = (await ask(headers=lines)).json()
    assert body["compute"]["samples"] == 5
    assert body["compute"]["plan"]["strategy"] == "best_of_n"


@pytest.mark.parametrize("budget", ["tokens=1", "tokens=1, strategy=dvts", "tokens=1, strategy=best_of_n"])
async def test_the_smallest_budget_buys_one_token(budget: str) -> None:
    body = (await ask(deps(), headers={"X-Compute-Budget": budget})).json()
    assert body["usage"]["completion_tokens"] == 1
    assert body["choices"][0]["finish_reason"] == "length"
    assert (body["compute"]["compute_tokens"], body["compute"]["stopped"]) == (1, "budget")


@pytest.mark.parametrize("budget", ["samples=3", "tokens=300", "tokens=77, samples=9", "max, tokens=1000"])
async def test_a_budget_is_never_exceeded(budget: str) -> None:
    body = (await ask(headers={"X-Compute-Budget": budget})).json()
    bounds = body["compute"]["budget"]["granted"]
    assert body["compute"]["samples"] <= bounds["samples"]
    assert body["compute"]["compute_tokens"] <= (bounds["tokens"] or 10**9)
