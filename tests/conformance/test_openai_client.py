"""The official OpenAI client against a real server: what it accepts is the contract."""

import asyncio
from collections.abc import AsyncGenerator

import openai
import pytest
from openai import AsyncOpenAI, OpenAI
from openai.types.chat import ChatCompletionMessageParam

from router.testing import FakeGenerator
from server.gateway import create_app
from tests.server.gateway.serving import deps, script, serving

QUESTION: list[ChatCompletionMessageParam] = [{"role": "user", "content": "What is 20 + 22?"}]
MODEL = "cogitate-embedded"


@pytest.fixture
async def client() -> AsyncGenerator[AsyncOpenAI]:
    async with serving(create_app(deps(FakeGenerator(script)))) as port, connected(port) as connection:
        yield connection


def connected(port: int) -> AsyncOpenAI:
    return AsyncOpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="none")


async def test_a_completion(client: AsyncOpenAI) -> None:
    reply = await client.chat.completions.create(model=MODEL, messages=QUESTION, reasoning_effort="medium", seed=1)
    assert reply.choices[0].message.content
    assert "42" in reply.choices[0].message.content
    assert reply.choices[0].finish_reason == "stop"
    assert reply.usage
    assert reply.usage.completion_tokens_details
    assert reply.usage.completion_tokens_details.reasoning_tokens
    assert reply.usage.total_tokens == reply.usage.prompt_tokens + reply.usage.completion_tokens
    assert reply.model_extra
    assert reply.model_extra["compute"]["answer"] == "42"
    assert reply.choices[0].message.model_extra
    assert "Probe" in reply.choices[0].message.model_extra["reasoning_content"]


async def test_a_budget_in_a_header_and_what_it_bought_in_headers(client: AsyncOpenAI) -> None:
    raw = await client.chat.completions.with_raw_response.create(
        model=MODEL, messages=QUESTION, extra_headers={"X-Compute-Budget": "samples=8, strategy=best_of_n"}
    )
    assert raw.headers["x-compute-strategy"] == "best_of_n"
    assert raw.headers["x-compute-samples"] == "8"
    assert raw.parse().choices[0].message.role == "assistant"


async def test_a_stream(client: AsyncOpenAI) -> None:
    stream = await client.chat.completions.create(
        model=MODEL, messages=QUESTION, stream=True, stream_options={"include_usage": True}
    )
    content, reasoning, usage = "", "", None
    async for chunk in stream:
        usage = chunk.usage or usage
        for choice in chunk.choices:
            content += choice.delta.content or ""
            reasoning += (choice.delta.model_extra or {}).get("reasoning_content", "")
    assert "42" in content
    assert "Probe: 4 samples" in reasoning
    assert usage
    assert usage.completion_tokens > 0


async def test_the_clients_own_accumulation_of_a_stream(client: AsyncOpenAI) -> None:
    async with client.chat.completions.stream(model=MODEL, messages=QUESTION, n=2) as stream:
        kinds = {event.type async for event in stream}
        final = await stream.get_final_completion()
    assert {"chunk", "content.delta", "content.done"} <= kinds
    assert [choice.index for choice in final.choices] == [0, 1]
    assert all(choice.finish_reason == "stop" for choice in final.choices)


async def test_several_choices(client: AsyncOpenAI) -> None:
    reply = await client.chat.completions.create(model=MODEL, messages=QUESTION, n=3, reasoning_effort="low")
    assert [choice.index for choice in reply.choices] == [0, 1, 2]


async def test_the_models(client: AsyncOpenAI) -> None:
    assert [model.id async for model in client.models.list()] == [MODEL]
    assert (await client.models.retrieve(MODEL)).owned_by == "cogitate"


async def test_a_client_that_does_not_know_asyncio(client: AsyncOpenAI) -> None:
    def ask() -> str | None:
        with OpenAI(base_url=str(client.base_url), api_key="none") as blocking:
            return blocking.chat.completions.create(model=MODEL, messages=QUESTION).choices[0].message.content

    assert "42" in (await asyncio.to_thread(ask) or "")


async def test_refusals_are_the_clients_own_exceptions(client: AsyncOpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as bad:
        await client.chat.completions.create(model=MODEL, messages=QUESTION, extra_headers={"X-Compute-Budget": "lots"})
    assert (bad.value.param, bad.value.code) == ("X-Compute-Budget", "invalid_budget")
    assert bad.value.request_id
    with pytest.raises(openai.BadRequestError, match="not supported"):
        await client.chat.completions.create(model=MODEL, messages=QUESTION, response_format={"type": "json_object"})
    with pytest.raises(openai.NotFoundError) as missing:
        await client.chat.completions.create(model="gpt-5", messages=QUESTION)
    assert missing.value.code == "model_not_found"
    with pytest.raises(openai.NotFoundError):
        await client.embeddings.create(model=MODEL, input="x")


async def test_an_error_within_a_stream_is_raised_by_the_client() -> None:
    from tests.server.gateway.test_streaming import Typing

    generator = Typing(script)
    generator.words = 2
    async with serving(create_app(deps(generator))) as port, connected(port) as client:
        stream = await client.chat.completions.create(
            model=MODEL, messages=QUESTION, stream=True, reasoning_effort="minimal"
        )
        with pytest.raises(openai.APIError, match="did not answer"):
            async for _ in stream:
                pass
