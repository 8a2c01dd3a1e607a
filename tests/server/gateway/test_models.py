"""Several models behind one gateway, and what a backend of its own takes and refuses."""

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import pytest

from router.ports import Draw, GeneratorError, Tally
from router.testing import FakeGenerator, FakeScorer
from router.types import Sample
from server.gateway import Condition, Deps, Model

from .serving import ask, client, deps, error_of, judge, question, script
from .tables import calibration


def two() -> Deps:
    small = Model("small", FakeGenerator(lambda _text, _seed: "\\boxed{1}"), None)
    large = Model("large", FakeGenerator(lambda _text, _seed: "\\boxed{2}"), FakeScorer(judge))
    return replace(deps(), models=(small, large))


async def test_each_model_is_listed_and_answers_under_its_name() -> None:
    async with client(two()) as http:
        listed = (await http.get("/v1/models")).json()["data"]
        answers = [
            (await http.post("/v1/chat/completions", json=question(model=model))).json()
            for model in ("small", "large", None)
        ]
    assert [card["id"] for card in listed] == ["small", "large"]
    assert [(a["model"], a["compute"]["answer"]) for a in answers] == [("small", "1"), ("large", "2"), ("small", "1")]


async def test_a_model_that_nobody_serves_is_not_found_and_those_that_are_are_named() -> None:
    error = error_of(await ask(two(), model="huge"))
    assert (error["code"], error["param"]) == ("model_not_found", "model")
    assert "'small', 'large'" in error["message"]


async def test_the_server_is_ready_while_any_of_its_models_can_answer() -> None:
    conditions = {"small": Condition(up=False), "large": Condition(details={"replicas": {"healthy": 1, "known": 2}})}
    both = two()
    models = tuple(replace(m, condition=lambda m=m: conditions[m.id]) for m in both.models)
    async with client(replace(both, models=models)) as http:
        ready = await http.get("/ready")
        rules = {"policy": {"rules": "default"}}
        assert ready.json() == {
            "status": "ready",
            "models": {
                "small": {"up": False, **rules},
                "large": {"up": True, "replicas": {"healthy": 1, "known": 2}, **rules},
            },
        }
        conditions["large"] = Condition(up=False)
        down = await http.get("/ready")
        assert (ready.status_code, down.status_code, down.json()["status"]) == (200, 503, "down")
        conditions["small"] = Condition()
        assert (await http.get("/ready")).status_code == 200


async def test_the_policy_file_of_a_model_is_told() -> None:
    both = two()
    models = (replace(both.models[0], calibration=calibration()), both.models[1])
    async with client(replace(both, models=models)) as http:
        told = (await http.get("/ready")).json()["models"]
    assert told["small"]["policy"] == {
        "rules": "calibrated",
        "digest": "0123456789abcdef",
        "made": "2026-11-23T20:00:00Z",
    }


async def test_what_a_model_takes_reaches_its_generator_and_comes_back() -> None:
    seen = list[Draw]()

    class Telling(FakeGenerator):
        async def sample(
            self, draw: Draw, tally: Tally, on_text: Callable[[str], None] | None = None
        ) -> AsyncIterator[tuple[int, Sample]]:
            seen.append(draw)
            async for j, sample in super().sample(draw, tally, on_text):
                yield j, replace(sample, logprobs=({"token": "a", "logprob": -0.1, "bytes": [97], "top_logprobs": []},))

    generous = deps(Telling(script), passes=frozenset({"logprobs", "top_k"}))
    reply = (await ask(generous, {"X-Compute-Budget": "minimal"}, logprobs=True, top_k=7, hobby="chess")).json()
    assert seen[0].problem.extra == {"logprobs": True, "top_k": 7}
    assert [t["token"] for t in reply["choices"][0]["logprobs"]["content"]] == ["a"]
    streamed = await ask(generous, {"X-Compute-Budget": "minimal"}, logprobs=True, stream=True)
    assert '"logprobs":{"content":[{"token":"a"' in streamed.text


async def test_what_the_backend_refuses_is_the_clients_to_mend() -> None:
    class Picky(FakeGenerator):
        async def sample(
            self, draw: Draw, tally: Tally, on_text: Callable[[str], None] | None = None
        ) -> AsyncIterator[tuple[int, Sample]]:
            raise GeneratorError("top_k must be positive", refusal=True)
            yield

    for fields in ({}, {"stream": True}):
        response = await ask(deps(Picky(script)), **fields)
        error = error_of(response)
        assert (response.status_code, error["code"]) == (400, "backend_refused")
        assert "top_k must be positive" in error["message"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("min_tokens", "5"),
        ("min_tokens", [1]),
        ("min_tokens", -1),
        ("min_tokens", True),
        ("top_k", "n"),
        ("top_k", 10**30),
        ("priority", 1.5),
        ("min_p", "0.1"),
        ("frequency_penalty", []),
        ("ignore_eos", "yes"),
        ("stop_token_ids", 5),
        ("stop_token_ids", ["a"]),
        ("allowed_token_ids", [-1]),
        ("bad_words", "word"),
        ("bad_words", [1]),
        ("cache_salt", 1),
        ("chat_template_kwargs", "thinking"),
        ("logit_bias", [1]),
    ],
)
async def test_what_is_passed_on_has_its_type_and_the_field_is_named(name: str, value: object) -> None:
    response = await ask(deps(passes=frozenset({name})), **{name: value})
    assert response.status_code == 400
    assert error_of(response)["param"].startswith(name)
    if name != "logit_bias":  # which nobody may ignore
        assert (await ask(deps(), **{name: value})).status_code == 200


async def test_what_is_passed_on_may_be_anything_of_its_type() -> None:
    fields: dict[str, Any] = {
        "min_tokens": 0,
        "top_k": -1,
        "min_p": 0,
        "repetition_penalty": 1.1,
        "ignore_eos": False,
        "stop_token_ids": [1, 2],
        "bad_words": ["a"],
        "cache_salt": "s",
        "chat_template_kwargs": {"enable_thinking": False},
        "logit_bias": {"5": -100},
        "priority": None,
    }
    assert (await ask(deps(passes=frozenset(fields)), **fields)).status_code == 200


async def test_the_page_offers_every_model_by_its_name() -> None:
    odd = Model("<odd> & large", FakeGenerator(script), None)
    async with client(replace(two(), models=(*two().models, odd))) as http:
        page = (await http.get("/")).text
    assert "<option>small</option><option>large</option><option>&lt;odd&gt; &amp; large</option>" in page
