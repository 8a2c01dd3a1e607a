import json
from typing import Any

import pytest

from router.types import Message
from server.gateway.schemas import ChatRequest, parse
from server.web.errors import ApiError

from .serving import ask, client, error_of, question


def parsed(**fields: Any) -> ChatRequest:
    return parse(json.dumps(question(**fields)).encode())


def refusal_of(**fields: Any) -> ApiError:
    with pytest.raises(ApiError) as refusal:
        parsed(**fields).problem()
    assert refusal.value.status == 400
    return refusal.value


def test_roles_and_contents_become_messages_of_the_router() -> None:
    messages: list[dict[str, Any]] = [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "What is"}, {"type": "text", "text": "1 + 1?"}]},
        {"role": "assistant", "content": None, "tool_calls": [], "reasoning_content": "hm"},
        {"role": "tool", "content": "2", "tool_call_id": "x"},
    ]
    assert parsed(messages=messages).problem().messages == (
        Message("system", "Be brief."),
        Message("user", "What is\n1 + 1?"),
        Message("assistant", ""),
        Message("tool", "2"),
    )


def test_max_completion_tokens_wins_over_max_tokens() -> None:
    assert parsed(max_tokens=5).problem().max_tokens == 5
    assert parsed(max_tokens=5, max_completion_tokens=7).problem().max_tokens == 7
    assert parsed().problem().max_tokens is None


@pytest.mark.parametrize(
    ("stop", "stops"), [(None, ()), ([], ()), ("x", ("x",)), (["a", "b", "c", "d"], ("a", "b", "c", "d"))]
)
def test_stop_is_a_text_or_up_to_four(stop: Any, stops: tuple[str, ...]) -> None:
    assert parsed(stop=stop).problem().stop == stops


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"messages": []}, "messages"),
        ({"messages": None}, "messages"),
        ({"messages": "hello"}, "messages"),
        ({"messages": [{"role": "system", "content": "x"}]}, "messages"),
        ({"messages": [{"role": "user"}, {"role": "robot", "content": "x"}]}, "messages[1].role"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]}, "messages"),
        ({"messages": [{"role": "user", "content": [{"text": "x"}]}]}, "messages[0].content"),
        ({"model": 3}, "model"),
        ({"n": 0}, "n"),
        ({"n": 17}, "n"),
        ({"n": True}, "n"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_completion_tokens": 1.5}, "max_completion_tokens"),
        ({"temperature": 2.1}, "temperature"),
        ({"temperature": -1}, "temperature"),
        ({"temperature": "hot"}, "temperature"),
        ({"temperature": float("nan")}, "temperature"),
        ({"top_p": 0}, "top_p"),
        ({"top_p": 1.1}, "top_p"),
        ({"seed": 2**63}, "seed"),
        ({"seed": 1.5}, "seed"),
        ({"stop": ["a", "b", "c", "d", "e"]}, "stop"),
        ({"stop": [""]}, "stop"),
        ({"stop": ""}, "stop"),
        ({"stop": 5}, "stop"),
        ({"stream": "yes"}, "stream"),
        ({"stream_options": {"include_usage": 3}}, "stream_options.include_usage"),
        ({"reasoning": {"exclude": "no"}}, "reasoning.exclude"),
        ({"reasoning_effort": 3}, "reasoning_effort"),
        ({"compute_budget": 3}, "compute_budget"),
    ],
)
def test_a_field_at_fault_is_named(fields: dict[str, Any], param: str) -> None:
    refusal = refusal_of(**fields)
    assert refusal.param is not None
    assert refusal.param.startswith(param)
    assert refusal.type == "invalid_request_error"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("tools", [{"type": "function", "function": {"name": "f"}}]),
        ("functions", [{"name": "f"}]),
        ("response_format", {"type": "json_object"}),
        ("logprobs", True),
        ("top_logprobs", 3),
        ("logit_bias", {"50256": -100}),
        ("modalities", ["text", "audio"]),
        ("audio", {"voice": "alloy", "format": "wav"}),
        ("web_search_options", {}),
    ],
)
def test_what_cannot_be_done_is_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(ApiError) as refusal:
        parsed(**{name: value}).refuse_all_but(frozenset())
    assert (refusal.value.code, refusal.value.param) == ("unsupported_parameter", name)


def test_what_a_model_takes_reaches_the_problem_and_nothing_else_does() -> None:
    request = parsed(logprobs=True, top_logprobs=2, logit_bias={"5": 1}, top_k=3, min_p=None, hobby="chess")
    passes = frozenset({"logprobs", "top_logprobs", "logit_bias", "top_k", "min_p"})
    request.refuse_all_but(passes)
    extra = {"logprobs": True, "top_logprobs": 2, "logit_bias": {"5": 1}, "top_k": 3}
    assert request.problem(passes).extra == extra
    assert parsed(top_k=3).problem().extra == {}


def test_alternatives_need_log_probabilities() -> None:
    with pytest.raises(ApiError, match="needs 'logprobs'") as refusal:
        parsed(top_logprobs=2).refuse_all_but(frozenset({"logprobs", "top_logprobs"}))
    assert refusal.value.param == "top_logprobs"


def test_what_asks_for_nothing_or_may_be_ignored_is_accepted() -> None:
    nothing: dict[str, Any] = {
        "tools": [],
        "tool_choice": "auto",
        "functions": None,
        "response_format": {"type": "text"},
        "logprobs": False,
        "top_logprobs": 0,
        "logit_bias": {},
        "modalities": ["text"],
        "audio": None,
        "user": "me",
        "metadata": {"a": "b"},
        "store": True,
        "service_tier": "auto",
        "verbosity": "low",
        "prompt_cache_key": "k",
        "safety_identifier": "s",
        "parallel_tool_calls": True,
        "never_heard_of": [1, 2],
        "n": None,
        "temperature": None,
        "top_p": None,
        "seed": None,
        "stop": None,
        "stream": None,
        "stream_options": None,
        "reasoning_effort": None,
    }
    assert parsed(**nothing).problem().question == "What is 20 + 22?"


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff", b'{"messages": [', b"[" * 5000])
def test_a_body_that_is_no_request_is_refused(body: bytes) -> None:
    with pytest.raises(ApiError) as refusal:
        parse(body)
    assert refusal.value.status == 400


async def test_half_a_surrogate_pair_breaks_nothing() -> None:
    for name in ("model", "stop", "compute_budget", "reasoning_effort"):
        async with client() as http:
            body = json.dumps(question(**{name: "\ud800"})).encode()
            assert (await http.post("/v1/chat/completions", content=body)).status_code in {200, 400, 404}


async def test_a_large_faulty_body_is_not_repeated_to_the_client() -> None:
    response = await ask(messages=[7] * 20_000)
    assert response.status_code == 400
    assert len(response.content) < 400
    assert len((await ask(model="x" * 90_000)).content) < 400


async def test_a_refusal_reaches_the_client_in_openais_shape() -> None:
    response = await ask(temperature=3)
    assert error_of(response) == {
        "message": "'temperature': Input should be less than or equal to 2.",
        "type": "invalid_request_error",
        "param": "temperature",
        "code": None,
    }
