"""What servers refuse, whose fault that is, and what it costs."""

import asyncio
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import pytest
from aiohttp import web

from router.ports import GeneratorError
from router.types import Finish
from server.generators import Chat, PoolGenerator

from .conftest import QUESTION, drawn, ordered
from .handlers import DONE, Body, Serve, chunk, each, events, refusal


async def texts(generator: PoolGenerator, **order: Any) -> list[str]:
    async with asyncio.timeout(10):
        return [sample.text for sample in await drawn(generator, ordered(**order))]


async def test_a_client_cannot_make_a_server_look_as_if_it_had_no_n(serve: Serve):
    calls = list[int]()

    async def server(_: web.Request, body: Body) -> web.Response:
        calls.append(body["n"])
        if body.get("top_k") == "n":
            return refusal("n must be 1: {'loc': ('body', 'top_k'), 'input': 'n'}")
        return each(body, "hello")

    generator = await serve(server)
    with pytest.raises(GeneratorError) as caught:
        await drawn(generator, ordered(2, problem=replace(QUESTION, extra=MappingProxyType({"top_k": "n"}))))
    assert caught.value.refusal
    calls.clear()
    await drawn(generator, ordered(8))
    assert calls == [8]


@pytest.mark.parametrize(
    ("message", "param"),
    [
        ("no", "n"),
        ("'n' : number must be at most 1", None),
        ("n must be 1", None),
        ("Field 'n': Value must be between 1 <= value <= 2, but got 3", None),
        ("Only one completion choice is allowed", None),
        ('[{"loc":["body","n"],"msg":"bad"}]', None),
    ],
)
async def test_a_server_that_refuses_n_is_remembered(serve: Serve, message: str, param: str | None):
    calls = list[int]()

    async def server(_: web.Request, body: Body) -> web.Response:
        calls.append(body["n"])
        return refusal(message, param) if body["n"] > 1 else each(body, "hello")

    generator = await serve(server)
    for _ in range(2):
        assert await texts(generator, count=3) == ["hello"] * 3
    assert calls == [3, 1, 1, 1, 1, 1, 1]


async def test_a_choice_that_is_missing_once_is_drawn_again_and_forgotten(serve: Serve):
    calls = list[int]()

    async def server(_: web.Request, body: Body) -> web.Response:
        calls.append(body["n"])
        missing = 2 if len(calls) == 1 else None
        return events(*(chunk("hello", j, "stop") for j in range(body["n"]) if j != missing), DONE)

    generator = await serve(server)
    for _ in range(2):
        assert await texts(generator, count=4) == ["hello"] * 4
    assert calls == [4, 1, 4]


@pytest.mark.parametrize("extra", [{"top_k": 10**30}, {"chat_template_kwargs": {"a": 10**30}}])
async def test_what_cannot_be_written_is_a_refusal(serve: Serve, extra: dict[str, Any]):
    async def server(_: web.Request, body: Body) -> web.Response:
        return each(body, "hello")

    with pytest.raises(GeneratorError, match="JSON") as caught:
        await drawn(await serve(server), ordered(problem=replace(QUESTION, extra=MappingProxyType(extra))))
    assert caught.value.refusal


async def test_a_key_that_one_server_does_not_take_is_no_refusal(serve: Serve):
    async def locked(_: web.Request, __: Body) -> web.Response:
        return refusal("Incorrect key: sk-abc", status=401)

    async def server(_: web.Request, body: Body) -> web.Response:
        return each(body, "hello")

    generator = await serve(locked, server)
    for j in range(4):
        assert await texts(generator, count=2, seed=j) == ["hello"] * 2
    with pytest.raises(GeneratorError) as caught:
        await drawn(await serve(locked), ordered())
    assert not caught.value.refusal
    assert "sk-abc" not in str(caught.value)


@pytest.mark.parametrize("context", [None, 4096])
async def test_only_a_length_that_somebody_wants_is_named(serve: Serve, context: int | None):
    named = list[int | None]()

    async def server(_: web.Request, body: Body) -> web.Response:
        named.append(body.get("max_tokens"))
        return each(body, "hello")

    generator = await serve(server, dialect=Chat("m", context=context))
    room = (await generator.measure(QUESTION)).room
    await drawn(generator, ordered(most=room))
    await drawn(generator, ordered(most=100))
    assert named == [None, 100]


@pytest.mark.parametrize("param", ["max_tokens", None])
async def test_a_length_that_the_server_refuses_is_kept_here(serve: Serve, param: str | None):
    named = list[int | None]()

    async def server(_: web.Request, body: Body) -> web.Response:
        named.append(body.get("max_tokens"))
        if "max_tokens" in body:
            return refusal("max_tokens is too large: 100", param)
        return events(*(chunk("x") for _ in range(500)))

    samples = await drawn(await serve(server), ordered(most=100))
    assert [(s.tokens, s.finish) for s in samples] == [(100, Finish.LENGTH)]
    assert named == [100, None]


async def test_a_length_is_refused_once_a_call(serve: Serve):
    calls = list[Body]()

    async def server(_: web.Request, body: Body) -> web.Response:
        calls.append(body)
        return refusal("max_tokens plus prompt exceed the context length")

    with pytest.raises(GeneratorError) as caught:
        await drawn(await serve(server), ordered(3, temperature=0.0))
    assert caught.value.refusal
    assert len(calls) == 6


async def test_a_continuation_that_is_refused_costs_one_sample(serve: Serve):
    broken = False

    async def server(request: web.Request, body: Body) -> web.StreamResponse:
        nonlocal broken
        if len(body["messages"]) > 1:
            return refusal("this conversation ends wrongly")
        if broken:
            return each(body, "hello")
        broken = True
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(chunk("hel"))
        assert request.transport
        request.transport.close()
        return response

    generator = await serve(server, dialect=Chat("m", prefill=True, samples_per_call=1))
    assert await texts(generator, count=4) == ["hello"] * 3
