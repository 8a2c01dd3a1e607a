import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.ports import Draw, Measure, ProblemTooLong, Tally
from router.testing import FakeGenerator, FakeScorer
from router.types import Finish, Problem, Sample
from server.gateway.deps import Limits
from server.report import Outcome

from .serving import LIMITS, Watch, ask, client, deps, error_of, judge, question, script


async def test_a_question_is_answered_with_what_the_reply_needs() -> None:
    response = await ask(headers={"X-Compute-Budget": "low"})
    body = response.json()
    assert response.status_code == 200
    assert body["object"] == "chat.completion"
    assert body["id"].startswith("chatcmpl-")
    assert body["model"] == "cogitate-embedded"
    (choice,) = body["choices"]
    assert choice["index"] == 0
    assert choice["finish_reason"] == "stop"
    assert choice["message"]["role"] == "assistant"
    assert choice["message"]["refusal"] is None
    assert "\\boxed{42}" in choice["message"]["content"]
    assert choice["message"]["reasoning"] == choice["message"]["reasoning_content"]


async def test_every_generated_token_is_a_completion_token_and_those_not_returned_are_reasoning() -> None:
    generator = FakeGenerator(lambda _text, _seed: "one two three \\boxed{4}")
    response = await ask(deps(generator), headers={"X-Compute-Budget": "samples=8, strategy=best_of_n"})
    usage = response.json()["usage"]
    assert usage["prompt_tokens"] == 5
    assert usage["completion_tokens"] == 8 * 4
    assert usage["completion_tokens_details"]["reasoning_tokens"] == 7 * 4
    assert usage["total_tokens"] == 5 + 32


async def test_the_compute_object_accounts_for_the_search() -> None:
    response = await ask(headers={"X-Compute-Budget": "samples=8, strategy=best_of_n"}, seed=7)
    compute = response.json()["compute"]
    assert compute["plan"] == {
        "strategy": "best_of_n",
        "n": 8,
        "aggregate": "best_of_n",
        "reduce": compute["plan"]["reduce"],
        "reason": "asked for by the client",
    }
    assert compute["policy"] == "pinned"
    assert compute["difficulty"].keys() == {"level", "score", "agreement", "value", "pass_rate", "samples", "judged"}
    assert compute["difficulty"]["samples"] == compute["difficulty"]["judged"] == compute["samples"] == 8
    assert compute["difficulty"]["pass_rate"] is None
    assert compute["scorer_tokens"] > 0
    assert compute["compute_tokens"] == compute["tokens"] + 2 * compute["scorer_tokens"]
    assert compute["answer"] == "42"
    assert sum(vote["count"] for vote in compute["votes"]) == 8
    assert compute["stopped"] == "complete"
    assert compute["seed"] == 7
    assert compute["degraded"] == []
    assert compute["lost"] == 0
    assert compute["notice"] is None
    assert compute["budget"]["source"] == "header"
    assert compute["budget"]["granted"]["samples"] == 8


async def test_headers_repeat_the_essentials() -> None:
    response = await ask(headers={"X-Compute-Budget": "auto"})
    compute = response.json()["compute"]
    assert response.headers["x-compute-strategy"] == (compute["plan"]["strategy"] or "probe")
    assert response.headers["x-compute-samples"] == str(compute["samples"])
    assert response.headers["x-compute-tokens"] == str(compute["tokens"])
    assert response.headers["x-compute-scorer-tokens"] == str(compute["scorer_tokens"])
    assert response.headers["x-compute-total"] == str(compute["compute_tokens"])
    assert response.headers["x-compute-stopped"] == compute["stopped"]
    assert response.headers["x-compute-difficulty"] == str(compute["difficulty"]["level"])


async def test_the_same_seed_gives_the_same_reply_and_the_drawn_seed_is_told() -> None:
    first = (await ask(headers={"X-Compute-Budget": "medium"})).json()
    again = (await ask(headers={"X-Compute-Budget": "medium"}, seed=first["compute"]["seed"])).json()
    assert again["choices"] == first["choices"]
    assert again["compute"]["votes"] == first["compute"]["votes"]


@pytest.mark.parametrize("budget", ["low", "auto", "max", "samples=8, strategy=greedy", "samples=8, strategy=dvts"])
async def test_n_choices_come_back_best_first(budget: str) -> None:
    body = (await ask(headers={"X-Compute-Budget": budget}, n=3, seed=1)).json()
    assert [choice["index"] for choice in body["choices"]] == [0, 1, 2]
    assert body["compute"]["answer"] in body["choices"][0]["message"]["content"]


async def test_several_choices_do_not_keep_a_strategy_that_was_asked_for_from_running() -> None:
    for strategy in ("dvts", "beam_search", "majority_voting"):
        body = (await ask(n=3, headers={"X-Compute-Budget": f"samples=12, strategy={strategy}"})).json()
        assert body["compute"]["plan"]["strategy"] == strategy
        assert len(body["choices"]) == 3
        assert 3 < body["compute"]["samples"] <= 12


async def test_more_choices_than_samples_are_refused() -> None:
    response = await ask(headers={"X-Compute-Budget": "low"}, n=5)
    assert response.status_code == 400
    assert error_of(response)["param"] == "n"


async def test_an_answer_that_is_cut_says_so() -> None:
    body = (await ask(headers={"X-Compute-Budget": "minimal"}, max_tokens=50, max_completion_tokens=3)).json()
    assert body["choices"][0]["finish_reason"] == "length"
    assert body["usage"]["completion_tokens"] == 3


async def test_reasoning_can_be_left_out() -> None:
    body = (await ask(reasoning={"effort": "low", "exclude": True})).json()
    assert body["choices"][0]["message"].keys() == {"role", "content", "refusal"}


async def test_a_single_sample_says_that_nothing_was_searched() -> None:
    body = (await ask(headers={"X-Compute-Budget": "minimal"})).json()
    assert body["choices"][0]["message"]["reasoning_content"] == "One sample, no search.\n"
    assert body["compute"]["samples"] == 1


async def test_a_notice_of_the_model_reaches_the_client() -> None:
    body = (await ask(deps(notice="It only knows arithmetic."))).json()
    assert body["compute"]["notice"] == "It only knows arithmetic."


async def test_a_dead_scorer_degrades_the_answer_and_does_not_fail_it() -> None:
    reply = await ask(deps(scorer=FakeScorer(judge, fail_after=0)), headers={"X-Compute-Budget": "high"})
    assert reply.json()["compute"]["answer"] == "42"
    assert reply.json()["compute"]["degraded"] == ["scorer: the fake was told to fail"]
    assert reply.headers["x-compute-degraded"] == "scorer"


async def test_a_dead_generator_is_a_bad_gateway() -> None:
    watch = Watch()
    response = await ask(deps(FakeGenerator(script, fail=True), watch=watch))
    assert response.status_code == 502
    assert error_of(response)["code"] == "generator_failed"
    assert [(r.outcome, r.model, r.cause) for r in watch.reports] == [
        (Outcome.GENERATOR, "cogitate-embedded", "the fake was told to fail")
    ]


async def test_a_deadline_without_any_answer_asks_for_no_retry() -> None:
    class Stuck(FakeGenerator):
        async def sample(self, draw: Draw, tally: Tally, on_text: Any = None) -> AsyncIterator[tuple[int, Sample]]:
            await asyncio.Event().wait()
            yield 0, Sample("", 0, Finish.EOS)

    watch = Watch()
    response = await ask(deps(Stuck(script), watch=watch), headers={"X-Compute-Budget": "deadline=0.05"})
    assert response.status_code == 504
    assert response.headers["x-should-retry"] == "false"
    assert error_of(response)["code"] == "deadline_exceeded"
    assert watch.reports[0].outcome is Outcome.DEADLINE


async def test_a_problem_that_is_too_long_names_the_messages() -> None:
    class Short(FakeGenerator):
        async def measure(self, problem: Problem) -> Measure:
            raise ProblemTooLong(5, self.context)

    response = await ask(deps(Short(script, context=4)))
    assert response.status_code == 400
    assert error_of(response) == {
        "message": "The prompt has 5 tokens, the context of the model is 4.",
        "type": "invalid_request_error",
        "param": "messages",
        "code": "context_length_exceeded",
    }


async def test_a_fault_of_ours_is_a_500_with_the_request_id_and_without_details() -> None:
    class Broken(FakeGenerator):
        async def measure(self, problem: Problem) -> Measure:
            raise RuntimeError("a secret of the house")

    watch = Watch()
    response = await ask(deps(Broken(script), watch=watch), headers={"x-request-id": "abc-1"})
    assert response.status_code == 500
    assert error_of(response)["code"] == "internal_error"
    assert "abc-1" in error_of(response)["message"]
    assert "secret" not in response.text
    assert watch.reports[0].outcome is Outcome.INTERNAL


async def test_an_observer_that_fails_costs_no_request() -> None:
    class Raising(Watch):
        def started(self) -> None:
            raise RuntimeError("no")

    response = await ask(deps(watch=Raising()))
    assert response.status_code == 200


async def test_the_observers_hear_what_was_granted_and_spent() -> None:
    watch = Watch()
    await ask(deps(watch=watch), headers={"X-Compute-Budget": "high, tokens=5000"})
    (report,) = watch.reports
    assert watch.arrivals == 1
    assert report.outcome is Outcome.ANSWERED
    assert report.preset == "high"
    assert report.budget
    assert (report.budget.samples, report.budget.tokens) == (32, 5000)
    assert report.answer
    assert report.answer.spent.compute <= 5000
    assert report.first_token is None


async def test_before_the_models_answer_requests_are_asked_to_come_back() -> None:
    response = await ask(deps(ready=False))
    assert response.status_code == 503
    assert response.headers["retry-after"] == "1"
    assert error_of(response)["code"] == "starting"


async def test_a_body_over_the_limit_is_refused_however_it_is_sent() -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(10):
            yield b"x" * 100

    limits: Limits = replace(LIMITS, max_body_bytes=500)
    async with client(deps(limits=limits)) as http:
        announced = await http.post("/v1/chat/completions", content=b"x" * 501)
        streamed = await http.post("/v1/chat/completions", content=chunks())
    for response in (announced, streamed):
        assert response.status_code == 413
        assert error_of(response)["code"] == "request_too_large"
        assert response.headers["connection"] == "close"


async def test_an_unknown_model_is_not_found_and_none_means_the_one_there_is() -> None:
    assert (await ask(model=None)).json()["model"] == "cogitate-embedded"
    response = await ask(model="gpt-5")
    assert response.status_code == 404
    assert error_of(response)["code"] == "model_not_found"


@settings(deadline=None, derandomize=True, max_examples=50)
@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=5), st.lists, max_leaves=5))
async def test_no_value_of_any_field_breaks_the_server(value: Any) -> None:
    async with client() as http:
        for name in ("messages", "model", "n", "max_tokens", "temperature", "stop", "stream_options", "reasoning"):
            response = await http.post("/v1/chat/completions", json={**question(), name: value})
            assert response.status_code in {200, 400, 404}
