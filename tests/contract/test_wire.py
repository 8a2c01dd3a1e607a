"""What the fake answers, the real vLLM answers, too: the fields that are relied on, and the mistakes."""

from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from router.types import Message
from server.embedded.tokenizer import Tokenizer
from server.generators.sse import DONE, Events

from .conftest import Backend

WEIGHTS = Path(__file__).parents[2] / "server" / "embedded" / "weights" / "generator"
MESSAGES = [{"role": "user", "content": "What is 3 + 4 * 2?"}]
STEP = 272

pytestmark = pytest.mark.usefixtures("vllm")


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer(WEIGHTS)


@pytest.fixture(scope="module")
def prompt(tokenizer: Tokenizer) -> list[int]:
    return list(tokenizer.prompt([Message("user", MESSAGES[0]["content"])]))


async def posted(client: httpx.AsyncClient, path: str, **body: Any) -> dict[str, Any]:
    reply = await client.post(path, json=body)
    assert reply.status_code == 200, reply.text
    return reply.json()


async def streamed(client: httpx.AsyncClient, path: str, **body: Any) -> list[dict[str, Any]]:
    events, payloads = Events(), list[bytes]()
    async with client.stream("POST", path, json={**body, "stream": True}) as reply:
        assert reply.headers["content-type"].startswith("text/event-stream")
        async for piece in reply.aiter_bytes():
            payloads += events.feed(piece)
    assert payloads.pop() == DONE
    return [orjson.loads(payload) for payload in payloads]


async def refused(client: httpx.AsyncClient, path: str, **body: Any) -> tuple[int, dict[str, Any]]:
    reply = await client.post(path, json=body)
    return reply.status_code, reply.json()["error"]


async def test_it_says_who_and_how_it_is(client: httpx.AsyncClient, backend: Backend):
    assert (await client.get("/health")).status_code == 200
    assert (await client.get("/version")).json()["version"]
    entry = (await client.get("/v1/models")).json()["data"][0]
    assert (entry["id"], entry["owned_by"], entry["max_model_len"]) == ("generator", "vllm", 512)


async def test_it_counts(client: httpx.AsyncClient):
    text = (await client.get("/metrics")).text
    for name in (
        "num_requests_running",
        "num_requests_waiting",
        "prompt_tokens_total",
        "generation_tokens_total",
        "prefix_cache_queries_total",
        "prefix_cache_hits_total",
    ):
        assert f"\nvllm:{name}{{" in text


async def test_a_conversation_is_tokenized(client: httpx.AsyncClient, prompt: list[int]):
    reply = await posted(client, "/tokenize", messages=MESSAGES, add_generation_prompt=True)
    assert (reply["tokens"], reply["count"], reply["max_model_len"]) == (prompt, len(prompt), 512)


async def test_text_is_tokenized(client: httpx.AsyncClient, tokenizer: Tokenizer):
    text = "## Step 1: 3 + 4 = 7.\n\nTherefore"
    reply = await posted(client, "/tokenize", prompt=text, add_special_tokens=False)
    assert reply["tokens"] == list(tokenizer.encode(text))


async def test_several_completions_come_in_order(client: httpx.AsyncClient, prompt: list[int]):
    body = {"prompt": prompt, "n": 3, "seed": 5, "temperature": 1.5, "max_tokens": 100, "return_token_ids": True}
    reply = await posted(client, "/v1/completions", **body)
    assert [choice["index"] for choice in reply["choices"]] == [0, 1, 2]
    assert {choice["finish_reason"] for choice in reply["choices"]} <= {"stop", "length"}
    assert all(isinstance(choice["text"], str) for choice in reply["choices"])
    generated = sum(len(choice["token_ids"]) for choice in reply["choices"])
    assert reply["usage"]["completion_tokens"] == generated
    assert reply["usage"]["prompt_tokens"] == len(prompt)
    again = await posted(client, "/v1/completions", **body)
    assert [c["text"] for c in again["choices"]] == [c["text"] for c in reply["choices"]]


async def test_the_end_of_an_answer_is_its_own_token(
    client: httpx.AsyncClient, prompt: list[int], tokenizer: Tokenizer
):
    body = {"prompt": prompt, "temperature": 0, "max_tokens": 100, "return_token_ids": True}
    choice = (await posted(client, "/v1/completions", **body))["choices"][0]
    assert (choice["finish_reason"], choice["stop_reason"]) == ("stop", None)
    assert choice["token_ids"][-1] == tokenizer.eos
    assert choice["text"] == tokenizer.decode(choice["token_ids"])


async def test_a_stream_has_the_same_text_and_tokens(client: httpx.AsyncClient, prompt: list[int]):
    body = {"prompt": prompt, "temperature": 0, "max_tokens": 100, "return_token_ids": True}
    whole = (await posted(client, "/v1/completions", **body))["choices"][0]
    chunks = [chunk["choices"][0] for chunk in await streamed(client, "/v1/completions", **body)]
    assert "".join(chunk["text"] for chunk in chunks) == whole["text"]
    assert [token for chunk in chunks for token in chunk["token_ids"]] == whole["token_ids"]
    assert {chunk["finish_reason"] for chunk in chunks[:-1]} == {None}
    assert chunks[-1]["finish_reason"] == "stop"


async def test_a_stream_of_several_names_each_choice(client: httpx.AsyncClient, prompt: list[int]):
    body = {"prompt": prompt, "n": 4, "seed": 5, "temperature": 1.5, "max_tokens": 100}
    whole = await posted(client, "/v1/completions", **body)
    texts = [""] * 4
    for chunk in await streamed(client, "/v1/completions", **body):
        for choice in chunk["choices"]:
            texts[choice["index"]] += choice["text"]
    assert texts == [choice["text"] for choice in whole["choices"]]


async def test_the_usage_of_a_stream_comes_last(client: httpx.AsyncClient, prompt: list[int]):
    options = {"include_usage": True}
    chunks = await streamed(client, "/v1/completions", prompt=prompt, n=2, max_tokens=9, stream_options=options)
    assert chunks[-1]["choices"] == []
    assert chunks[-1]["usage"]["completion_tokens"] > 9


@pytest.mark.parametrize("stream", [True, False])
async def test_a_step_keeps_the_blank_line_that_ends_it(client: httpx.AsyncClient, prompt: list[int], stream: bool):
    body = {"prompt": prompt, "temperature": 0, "max_tokens": 100, "return_token_ids": True}
    body |= {"stop": ["\n\n"], "include_stop_str_in_output": True}
    if stream:
        chunks = [chunk["choices"][0] for chunk in await streamed(client, "/v1/completions", **body)]
    else:
        chunks = [(await posted(client, "/v1/completions", **body))["choices"][0]]
    assert "".join(chunk["text"] for chunk in chunks).endswith(".\n\n")
    assert (chunks[-1]["finish_reason"], chunks[-1]["stop_reason"]) == ("stop", "\n\n")
    assert chunks[-1]["token_ids"][-1] == STEP


async def test_a_stop_string_is_left_out(client: httpx.AsyncClient, prompt: list[int]):
    body = {"prompt": prompt, "temperature": 0, "max_tokens": 100, "stop": ["Step 2", "xyz"]}
    choice = (await posted(client, "/v1/completions", **body))["choices"][0]
    assert choice["text"].endswith("\n\n## ")
    assert choice["stop_reason"] == "Step 2"
    chunks = await streamed(client, "/v1/completions", **body)
    assert "".join(chunk["choices"][0]["text"] for chunk in chunks) == choice["text"]


async def test_a_limit_is_told(client: httpx.AsyncClient, prompt: list[int]):
    choice = (await posted(client, "/v1/completions", prompt=prompt, max_tokens=3))["choices"][0]
    assert (choice["finish_reason"], choice["stop_reason"]) == ("length", None)


async def test_log_probabilities_have_one_entry_per_token(client: httpx.AsyncClient, prompt: list[int]):
    body = {"prompt": prompt, "temperature": 0, "max_tokens": 8, "logprobs": 1, "return_token_ids": True}
    choice = (await posted(client, "/v1/completions", **body))["choices"][0]
    logprobs = choice["logprobs"]
    assert len(logprobs["tokens"]) == len(logprobs["token_logprobs"]) == len(logprobs["top_logprobs"]) == 8
    assert "".join(logprobs["tokens"]) == choice["text"]
    assert all(-20 < logprob <= 0 for logprob in logprobs["token_logprobs"])
    assert logprobs["tokens"][0] in logprobs["top_logprobs"][0]


async def test_a_conversation_is_answered_like_its_prompt(client: httpx.AsyncClient, prompt: list[int]):
    want = (await posted(client, "/v1/completions", prompt=prompt, temperature=0, max_tokens=100))["choices"][0]
    body = {"messages": MESSAGES, "temperature": 0, "max_tokens": 100}
    choice = (await posted(client, "/v1/chat/completions", **body))["choices"][0]
    assert (choice["message"]["content"], choice["finish_reason"]) == (want["text"], "stop")
    chunks = [chunk["choices"][0] for chunk in await streamed(client, "/v1/chat/completions", **body)]
    assert "".join(chunk["delta"].get("content") or "" for chunk in chunks) == want["text"]
    begun = [*MESSAGES, {"role": "assistant", "content": want["text"][: want["text"].index("\n\n") + 2]}]
    body |= {"messages": begun, "continue_final_message": True, "add_generation_prompt": False}
    choice = (await posted(client, "/v1/chat/completions", **body))["choices"][0]
    assert begun[-1]["content"] + choice["message"]["content"] == want["text"]


async def test_log_probabilities_of_a_conversation_have_openais_form(client: httpx.AsyncClient):
    body = {"messages": MESSAGES, "temperature": 0, "max_tokens": 5, "logprobs": True, "top_logprobs": 1}
    entries = (await posted(client, "/v1/chat/completions", **body))["choices"][0]["logprobs"]["content"]
    assert len(entries) == 5
    assert all({"token", "logprob", "bytes", "top_logprobs"} <= set(entry) for entry in entries)


async def test_what_is_wrong_is_said(client: httpx.AsyncClient, prompt: list[int]):
    status, error = await refused(client, "/v1/completions", prompt=prompt, model="another")
    assert (status, error["param"]) == (404, "model")
    status, error = await refused(client, "/v1/completions", prompt=[5] * 600)
    assert (status, error["param"]) == (400, "input_tokens")
    status, error = await refused(client, "/v1/completions", prompt=prompt, max_tokens=600)
    assert status == 400
    status, error = await refused(client, "/v1/completions", prompt=prompt, temperature=0, n=2)
    assert (status, "n must be 1" in error["message"]) == (400, True)
    for temperature in (-1, 3):
        status, error = await refused(client, "/v1/completions", prompt=prompt, temperature=temperature)
        assert (status, error["param"]) == (400, "temperature")
    both = {"continue_final_message": True, "add_generation_prompt": True}
    status, error = await refused(client, "/v1/chat/completions", messages=MESSAGES, **both)
    assert status == 400


async def test_it_says_several_tokens_at_once_where_it_is_asked_to(client: httpx.AsyncClient, prompt: list[int]):
    body = {"prompt": prompt, "temperature": 0, "max_tokens": 20, "ignore_eos": True, "return_token_ids": True}
    replies = await streamed(client, "/v1/completions", **body, stream_interval=8)
    pieces = [choice["token_ids"] for reply in replies for choice in reply["choices"]]
    whole = (await posted(client, "/v1/completions", **body))["choices"][0]["token_ids"]
    assert [token for piece in pieces for token in piece] == whole
    assert [len(piece) for piece in pieces] == [
        1,
        8,
        *([8] * ((len(whole) - 9) // 8)),
        *filter(None, [(len(whole) - 9) % 8]),
    ]
