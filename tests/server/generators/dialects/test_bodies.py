"""What each dialect asks its servers for."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import pytest

from router.ports import Draw
from router.types import ROOT, Message, Problem
from server.generators import VLLM, Chat, Dialect, LlamaCpp
from server.generators.dialects import Order, Prompt
from server.upstream import Unreachable


class Answers:
    """Answers small questions from a list, and remembers them."""

    def __init__(self, *answers: Any) -> None:
        self._answers = list(answers)
        self.asked = list[tuple[str, Mapping[str, Any]]]()

    async def __call__(self, path: str, body: Mapping[str, Any]) -> Any:
        self.asked.append((path, body))
        return self._answers.pop(0)


def asking(*, stop: tuple[str, ...] = (), **extra: Any) -> Problem:
    return Problem((Message("user", "Hi"),), stop=stop, extra=MappingProxyType(extra))


def ordered(problem: Problem, *, whole: bool = True, ids: tuple[int, ...] | None = (4, 5), written: int = 2) -> Order:
    draw = Draw(problem, ROOT, 3, 9, 50, whole, 0.7)
    return Order(Prompt(3, 512, ids=(1, 2, 3)), draw, "text", ids, written, count=3, seed=9, most=50)


async def body_of(dialect: Dialect, order: Order, *answers: Any) -> dict[str, Any]:
    return (await dialect.body(order, Answers(*answers)))[1]


async def test_llama_cpp_renders_and_tokenizes():
    answers = Answers({"prompt": "<hi>"}, {"tokens": [7, 8]})
    problem = asking(chat_template_kwargs={"a": 1})
    prompt = await LlamaCpp("m", context=512, system="S").prompt(problem, answers)
    assert (prompt.tokens, prompt.context, prompt.ids) == (2, 512, (7, 8))
    assert answers.asked[0][0] == "/apply-template"
    assert answers.asked[0][1]["messages"][0]["role"] == "system"
    assert answers.asked[0][1]["chat_template_kwargs"] == {"a": 1}
    assert answers.asked[1] == ("/tokenize", {"content": "<hi>"})
    plain = Answers({"prompt": "<hi>"}, {"tokens": [7, 8]})
    await LlamaCpp("m").prompt(asking(), plain)
    assert "chat_template_kwargs" not in plain.asked[0][1]


async def test_llama_cpp_continues_tokens_or_else_text():
    dialect = LlamaCpp("m", context=512)
    body = await body_of(dialect, ordered(asking()))
    assert (body["prompt"], body["verbose"], body["top_k"], body["min_p"]) == ([1, 2, 3, 4, 5], True, 0, 0.0)
    assert (await body_of(dialect, ordered(asking(), ids=None)))["prompt"] == [1, 2, 3, "text"]
    assert "stop" not in body
    assert (await body_of(dialect, ordered(asking(), whole=False)))["stop"] == ["\n\n"]
    assert dialect.together(ordered(asking()).draw) == 1
    assert dialect.continues()
    assert dialect.headers == {"Connection": "close"}


async def test_llama_cpp_has_its_own_names():
    body = await body_of(LlamaCpp("m", context=512), ordered(asking(repetition_penalty=1.1, logprobs=True, top_k=9)))
    assert (body["repeat_penalty"], body["repeat_last_n"], body["logprobs"], body["top_k"]) == (1.1, 512, 1, 9)
    assert "repetition_penalty" not in body
    body = await body_of(LlamaCpp("m"), ordered(asking(repetition_penalty=1.1, logprobs=True, top_logprobs=4)))
    assert (body["repeat_last_n"], body["logprobs"]) == (32_768, 4)


async def test_vllm_asks_for_ids_and_keeps_what_ends_a_step():
    body = await body_of(VLLM("m"), ordered(asking(stop=("Q", "")), whole=False))
    assert (body["stop"], body["include_stop_str_in_output"], body["return_token_ids"]) == (["Q", "\n\n"], True, True)
    assert (body["prompt"], body["n"], body["seed"], body["max_tokens"]) == ([1, 2, 3, 4, 5], 3, 9, 50)
    body = await body_of(VLLM("m"), ordered(asking(stop=("\n\n",)), whole=False))
    assert body["stop"] == ["\n\n"]


async def test_vllm_tokenizes_text_whose_ids_are_not_known():
    assert (await body_of(VLLM("m"), ordered(asking(), ids=None), {"tokens": [6]}))["prompt"] == [1, 2, 3, 6]


async def test_the_least_length_is_of_the_whole_answer():
    assert (await body_of(VLLM("m"), ordered(asking(min_tokens=10))))["min_tokens"] == 8
    assert (await body_of(VLLM("m"), ordered(asking(min_tokens=1), written=5)))["min_tokens"] == 0
    assert (await body_of(VLLM("m"), ordered(asking(min_tokens=900))))["min_tokens"] == 50


async def test_chat_passes_what_is_a_conversations():
    body = await body_of(Chat("m", prefill=True), ordered(asking(logprobs=True, top_logprobs=2)))
    assert (body["logprobs"], body["top_logprobs"], body["continue_final_message"]) == (True, 2, True)
    assert body["messages"][-1] == {"role": "assistant", "content": "text"}


@pytest.mark.parametrize("answer", [None, [], {}, {"tokens": "x"}, {"tokens": ["x"]}, {"tokens": [1]}])
async def test_answers_that_say_nothing_are_no_answers(answer: Any):
    with pytest.raises(Unreachable):
        await VLLM("m").prompt(asking(), Answers(answer))


async def test_a_conversation_with_a_system_message_keeps_its_own():
    problem = Problem((Message("developer", "D"), Message("user", "Hi")))
    prompt = await Chat("m", system="S").prompt(problem, Answers())
    assert [turn["content"] for turn in prompt.turns] == ["D", "Hi"]


async def test_vllm_sends_every_token_at_once_only_to_who_reads_along():
    order = ordered(asking())
    alone = replace(order, draw=replace(order.draw, whole=True))
    assert [(await body_of(VLLM("m"), o))["stream_interval"] for o in (order, replace(alone, count=2))] == [8, 8]
    assert (await body_of(VLLM("m"), replace(alone, count=1)))["stream_interval"] == 32  # no vote ends it early
    assert "stream_interval" not in await body_of(VLLM("m"), replace(order, live=True))
