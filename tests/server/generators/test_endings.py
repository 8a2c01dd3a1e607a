"""How samples end, and what they are counted as, where servers are honest about little."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web

from router.answering import answer
from router.budget import Budget
from router.policy.default import DefaultPolicy
from router.ports import GeneratorError, Tally
from router.types import ROOT, Finish, Sample
from server.generators import VLLM, Chat, Dialect, LlamaCpp

from .conftest import QUESTION, drawn, ordered
from .handlers import DONE, Body, Serve, chunk, event, events, written


@pytest.mark.parametrize("behind", [None, b"data: garbage\n\n", event(error={"message": "no", "code": 400})])
async def test_what_has_ended_is_delivered_though_its_reply_breaks_behind_it(serve: Serve, behind: bytes | None):
    async def server(request: web.Request, _: Body) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(chunk("hello") + chunk("", finish="stop") + (behind or b""))
        if behind is None:
            assert request.transport
            request.transport.close()
        return response

    async with asyncio.timeout(10):
        assert [s.text for s in await drawn(await serve(server), ordered())] == ["hello"]


async def test_an_answer_is_there_whatever_its_usage_says(serve: Serve):
    async def server(_: web.Request, __: Body) -> web.Response:
        return events(chunk("hello", finish="stop", usage={"completion_tokens": 0}), DONE)

    assert [(s.text, s.tokens) for s in await drawn(await serve(server), ordered())] == [("hello", 1)]


async def test_no_count_goes_beyond_what_was_ordered(serve: Serve):
    async def server(_: web.Request, body: Body) -> web.Response:
        usage = {"completion_tokens": 10**9}
        if body["n"] == 1:
            return events(chunk("hello", finish="stop", usage=usage), DONE)
        message = {"message": {"content": "hello"}, "finish_reason": "stop"}
        return web.json_response({"choices": [message | {"index": j} for j in range(body["n"])], "usage": usage})

    generator = await serve(server)
    for count in (1, 2):
        tally = Tally()
        samples = await drawn(generator, ordered(count, most=50), tally)
        assert ([s.tokens for s in samples], tally.tokens) == ([50] * count, 50 * count)


def long(body: Body, finish: str = "length") -> web.Response:
    """Ten tokens a choice, five to an event."""
    told = [chunk("five tokens. ", j) + chunk("and five more", j, finish) for j in range(body["n"])]
    return events(*told, event(choices=[], usage={"completion_tokens": 10 * body["n"]}), DONE)


@pytest.mark.parametrize("count", [1, 4])
@pytest.mark.parametrize("finish", ["length", "stop"])
async def test_the_servers_count_of_a_call_is_what_is_charged(serve: Serve, count: int, finish: str):
    async def server(_: web.Request, body: Body) -> web.Response:
        return long(body, finish)

    tally = Tally()
    samples = await drawn(await serve(server), ordered(count, most=10), tally)
    assert tally.tokens == 10 * count
    if finish == "length":
        assert [(s.tokens, s.finish) for s in samples] == [(10, Finish.LENGTH)] * count


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("limit", [10, None])
async def test_samples_that_end_at_a_limit_are_no_deadline(serve: Serve, whole: bool, limit: int | None):
    async def server(_: web.Request, body: Body) -> web.Response:
        if not whole:
            return long(body)
        told = [{"index": j, "message": {"content": "x y z" * (j + 1)}} for j in range(body["n"])]
        choices = [choice | {"finish_reason": "length"} for choice in told]
        return web.json_response({"choices": choices, "usage": {"completion_tokens": 10 * body["n"]}})

    generator, problem = await serve(server), replace(QUESTION, max_tokens=limit)
    budget = Budget(samples=8, deadline=30)
    found = await answer(problem, budget, generator=generator, scorer=None, policy=DefaultPolicy(), seed=1)
    assert found.stopped == "complete"
    assert found.spent.tokens == 10 * found.solutions


async def test_steps_advance_where_the_template_trims_what_is_continued(serve: Serve):
    steps = ("## Step 1: 4*2=8.", "## Step 2: 3+8=11.", "The final answer is $\\boxed{11}$.")
    full = "\n\n".join(steps)

    async def server(_: web.Request, body: Body) -> web.Response:
        last = body["messages"][-1]
        begun = last["content"].strip() if last["role"] == "assistant" else ""
        rest = full[len(begun) :]
        return events(*(chunk(rest[i : i + 4]) for i in range(0, len(rest), 4)), chunk("", finish="stop"), DONE)

    generator, path = await serve(server, dialect=Chat("m", prefill=True, context=4096)), ROOT
    seen = list[Sample]()
    while not path.finished and len(seen) < 5:
        seen += await drawn(generator, ordered(prefix=path, whole=False))
        path = path.extended(0, seen[-1])
    assert [sample.text.strip() for sample in seen] == list(steps)
    assert path.text == full


@pytest.mark.parametrize(
    ("dialect", "kept"), [(VLLM("m"), True), (LlamaCpp("m", context=512), False)], ids=["vllm", "llamacpp"]
)
async def test_a_step_of_no_words_goes_on(serve: Serve, dialect: Dialect, kept: bool):
    prompts = list[list[int]]()

    async def server(_: web.Request, body: Body) -> web.Response:
        prompts.append(body["prompt"])
        stop = "\n\n" if kept else ""
        text, ids = (stop, [7]) if len(prompts) < 3 else ("words" + stop, [8, 9])
        told = {"tokens": ids, "stopping_word": "\n\n"}
        return events(
            written(text, *ids, finish="stop", stop="\n\n", **({} if kept else {"__verbose": told})),
            DONE,
        )

    sample = (await drawn(await serve(server, dialect=dialect), ordered(whole=False)))[0]
    assert (sample.text, sample.finish) == ("\n\n\n\nwords\n\n", Finish.STEP)
    assert sample.ids == (7, 7, 8, 9)
    assert prompts == [[1, 2, 3], [1, 2, 3, 7], [1, 2, 3, 7, 7]]


async def test_a_server_that_adds_nothing_to_a_blank_step_is_not_asked_for_ever(serve: Serve):
    async def server(_: web.Request, __: Body) -> web.Response:
        return events(written("", finish="stop", stop="\n\n"), DONE)

    samples = await drawn(await serve(server, dialect=VLLM("m")), ordered(whole=False))
    assert [sample.finish for sample in samples] == [Finish.EOS]


async def test_a_whole_answer_without_end_is_given_up(serve: Serve, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("server.generators.drawing.LARGEST", 100)

    async def server(_: web.Request, __: Body) -> web.Response:
        return web.Response(body=b" " * 1000, content_type="application/json")

    with pytest.raises(GeneratorError, match="more than 100 bytes"):
        await drawn(await serve(server), ordered())


async def test_tokens_within_a_character_are_counted_and_their_ids_are_not_trusted(serve: Serve):
    prompts = list[list[Any]]()

    async def server(_: web.Request, body: Body) -> web.Response:
        prompts.append(body["prompt"])
        if len(prompts) > 1:
            return events(written("!", finish="stop", __verbose={"tokens": [9], "tokens_predicted": 1}), DONE)
        told = [written("é", __verbose={"tokens": [7], "tokens_predicted": 2 * j}) for j in (1, 2)]
        return events(*told)  # and breaks off

    tally = Tally()
    sample = (await drawn(await serve(server, dialect=LlamaCpp("m", context=512)), ordered(), tally))[0]
    assert (sample.text, sample.tokens, sample.ids, tally.tokens) == ("éé!", 5, (), 5)
    assert prompts == [[1, 2, 3], [1, 2, 3, "éé"]]
