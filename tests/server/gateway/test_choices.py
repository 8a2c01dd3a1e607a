"""Who decides how a request is thought about, and what that comes to."""

from dataclasses import replace
from typing import Any

import pytest

from router.difficulty.prompt import answerable
from router.policy.default import DefaultPolicy
from router.types import Message, Problem
from server.gateway import Calibration, Deps
from server.gateway.budgets import PRESETS, read
from server.gateway.choices import Chosen, policy_for

from .serving import LIMITS, ask, deps
from .tables import calibration

SUM = "What is 20 + 22?"
POEM = "Write me a poem about the sea."
CHAT = [{"role": "user", "content": POEM}]


def calibrated(made: Calibration | None = None) -> Deps:
    dependencies = deps()
    (model,) = dependencies.models
    return replace(dependencies, models=(replace(model, calibration=made or calibration()),))


def chosen(budget: str) -> Chosen:
    grant = read("header", "X-Compute-Budget", budget, LIMITS)
    return policy_for(grant, 1, Problem((Message("user", SUM),)), deps().models[0])


async def computed(budget: str, dependencies: Deps | None = None, **fields: Any) -> dict[str, Any]:
    response = await ask(dependencies, {"X-Compute-Budget": budget}, seed=1, **fields)
    assert response.status_code == 200
    return response.json()["compute"]


def test_the_questions_of_these_tests_are_what_they_seem() -> None:
    assert answerable(Problem((Message("user", SUM),))) > 0.9
    assert answerable(Problem((Message("user", POEM),))) < 0.1


@pytest.mark.parametrize("made", [None, calibration()])
@pytest.mark.parametrize("budget", [*PRESETS, "tokens=5000", "deadline=5", "high, samples=8", "auto, price=0.001"])
async def test_chat_stays_at_one_sample_whatever_is_granted(budget: str, made: Calibration | None) -> None:
    compute = await computed(budget, calibrated(made) if made else deps(), messages=CHAT)
    assert (compute["samples"], compute["scorer_tokens"], compute["plan"]["strategy"]) == (1, 0, "greedy")
    if budget != "minimal":
        assert (compute["policy"], compute["plan"]["reason"]) == ("prompt", "no single answer to vote on")


async def test_what_ends_with_the_result_of_a_tool_stays_at_one_sample() -> None:
    turns = [
        {"role": "user", "content": SUM},
        {"role": "assistant", "content": None},
        {"role": "tool", "content": "42"},
    ]
    assert (await computed("max", messages=turns))["samples"] == 1


async def test_samples_that_are_asked_for_are_drawn_even_for_chat() -> None:
    several = await computed("samples=8", messages=CHAT)
    pinned = await computed("strategy=best_of_n, samples=5", messages=CHAT)
    assert (several["samples"] > 1, several["policy"]) == (True, "default")
    assert (pinned["samples"], pinned["policy"]) == (5, "pinned")


async def test_chat_with_several_choices_has_as_many_samples() -> None:
    compute = await computed("high", messages=CHAT, n=3)
    assert (compute["samples"], compute["policy"]) == (3, "prompt")


def test_without_a_file_the_default_policy_is_thrifty_where_a_price_is_named() -> None:
    assert chosen("high") == Chosen(DefaultPolicy(thrifty=False), "default")
    assert chosen("auto") == chosen("high, price=0.01") == Chosen(DefaultPolicy(thrifty=True), "default")


async def test_with_a_file_the_table_plans_and_the_reply_says_so() -> None:
    compute = await computed("high", calibrated())
    assert (compute["samples"], compute["policy"], compute["stopped"]) == (4, "calibrated", "agreed")
    assert compute["difficulty"]["pass_rate"] == pytest.approx(0.731059)
    assert (compute["difficulty"]["samples"], compute["difficulty"]["judged"]) == (4, 0)


async def test_a_file_of_other_models_is_told_as_such() -> None:
    assert (await computed("high", calibrated(calibration(transferred=True))))["policy"] == "transferred"


@pytest.mark.parametrize(
    ("budget", "samples"), [("auto", 4), ("auto, price=0.02", 1), ("price=0.02", 1), ("samples=16, price=0.001", 4)]
)
async def test_a_price_decides_whether_a_gain_is_worth_its_compute(budget: str, samples: int) -> None:
    """Three more solutions gain 3 points: one is worth 0.01."""
    assert (await computed(budget, calibrated()))["samples"] == samples


async def test_auto_has_the_servers_price_and_other_presets_spend() -> None:
    slight = calibrated(calibration(gain=0.003))  # 0.001 for each further solution: less than auto pays
    assert [(await computed(budget, slight))["samples"] for budget in ("auto", "high")] == [1, 4]
    cheap = replace(slight, limits=replace(LIMITS, price=0.0005))
    assert (await computed("auto", cheap))["samples"] == 4


async def test_one_sample_that_settles_it_is_no_search() -> None:
    response = await ask(calibrated(calibration(gain=0.0)), {"X-Compute-Budget": "auto"})
    body = response.json()
    assert body["compute"]["samples"] == 1
    assert body["choices"][0]["message"]["reasoning_content"] == "One sample, no search.\n"
