"""Replies that no server should give, byte by byte."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import orjson
import pytest
import pytest_asyncio
from aiohttp import web

from router.ports import GeneratorError, Tally
from router.types import Finish
from server.generators import VLLM, GeneratorOptions, PoolGenerator, sse
from server.upstream import Pool, PoolOptions

from .conftest import QUESTION, drawn, ordered

DONE = b"data: [DONE]\n\n"


@dataclass
class Script:
    """What the server answers, in turn; the last answer is repeated. `tokens` is its answer to /tokenize."""

    answers: list[bytes] = field(default_factory=list[bytes])
    tokens: bytes = b'{"tokens": [1, 2, 3], "max_model_len": 512}'
    status: int = 200
    calls: int = 0


def chunk(text: str, *ids: int, place: int = 0, finish: str | None = None, **more: object) -> bytes:
    choice = {"index": place, "text": text, "token_ids": ids, "finish_reason": finish, **more}
    return b"data: " + orjson.dumps({"choices": [choice]}) + b"\n\n"


@pytest.fixture
def script() -> Script:
    return Script()


@pytest_asyncio.fixture
async def generator(script: Script) -> AsyncIterator[PoolGenerator]:
    async def tokenize(_: web.Request) -> web.Response:
        return web.Response(body=script.tokens, content_type="application/json", status=script.status)

    async def complete(_: web.Request) -> web.Response:
        answer = script.answers[min(script.calls, len(script.answers) - 1)]
        script.calls += 1
        return web.Response(body=answer, content_type="text/event-stream")

    app = web.Application()
    app.router.add_post("/tokenize", tokenize)
    app.router.add_post("/v1/completions", complete)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    pool = Pool("test", [f"http://127.0.0.1:{runner.addresses[0][1]}"], options=PoolOptions(health_seconds=0))
    made = PoolGenerator(pool, VLLM("m"), "test", GeneratorOptions(dialect="vllm"))
    await made.start()
    yield made
    await made.aclose()
    await runner.cleanup()


async def test_a_step_whose_blank_line_is_left_out_gets_it_back(script: Script, generator: PoolGenerator):
    logprobs = {"content": [{"token": "a", "logprob": -1.0}, {"token": "", "logprob": -2.0}]}
    end = chunk("a", 5, 6, finish="stop", stop_reason="\n\n", logprobs=logprobs)
    script.answers = [end + DONE]
    sample = (await drawn(generator, ordered(whole=False)))[0]
    assert (sample.text, sample.finish, sample.ids) == ("a\n\n", Finish.STEP, (5, 6))
    assert [entry["token"] for entry in sample.logprobs] == ["a", "\n\n"]
    assert sample.logprob == -3.0


async def test_a_step_in_the_middle_of_a_token_loses_its_ids(script: Script, generator: PoolGenerator):
    script.answers = [chunk("a\n\nb", 5, 6)]
    sample = (await drawn(generator, ordered(whole=False)))[0]
    assert (sample.text, sample.finish, sample.ids, sample.tokens) == ("a\n\n", Finish.STEP, (), 2)


async def test_a_server_that_knows_no_limit_is_kept_to_it(script: Script, generator: PoolGenerator):
    script.answers = [b"".join(chunk("x", 5) for _ in range(9))]
    tally = Tally()
    sample = (await drawn(generator, ordered(most=4), tally))[0]
    assert (sample.text, sample.tokens, sample.finish) == ("xxxx", 4, Finish.LENGTH)
    assert tally.tokens == 9


async def test_an_end_without_a_reason_is_an_end(script: Script, generator: PoolGenerator):
    script.answers = [chunk("x", 5) + DONE]
    assert [(s.text, s.finish) for s in await drawn(generator, ordered())] == [("x", Finish.EOS)]


async def test_a_choice_nobody_asked_for_is_a_broken_reply(script: Script, generator: PoolGenerator):
    script.answers = [chunk("x", 5, place=3), chunk("y", 6, finish="stop") + DONE]
    assert [s.text for s in await drawn(generator, ordered())] == ["y"]


async def test_a_reply_without_any_choice_is_a_broken_reply(script: Script, generator: PoolGenerator):
    script.answers = [DONE]
    with pytest.raises(GeneratorError, match="stopped in the middle"):
        await drawn(generator, ordered(2))


async def test_a_reply_without_end_is_a_broken_reply(
    script: Script, generator: PoolGenerator, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(sse, "LARGEST", 100)
    script.answers = [b"x" * 1000, chunk("y", 6, finish="stop") + DONE]
    assert [s.text for s in await drawn(generator, ordered())] == ["y"]


async def test_words_behind_the_end_are_charged_and_not_kept(script: Script, generator: PoolGenerator):
    script.answers = [chunk("x", 5, finish="stop") + chunk("y", 6) + DONE]
    tally = Tally()
    assert [s.text for s in await drawn(generator, ordered(), tally)] == ["x"]
    assert tally.tokens == 2


async def test_what_is_no_json_is_no_prompt(script: Script, generator: PoolGenerator):
    script.tokens = b"<html>"
    with pytest.raises(GeneratorError, match="no JSON"):
        await generator.measure(QUESTION)


async def test_a_question_the_template_refuses_is_a_refusal(script: Script, generator: PoolGenerator):
    script.tokens, script.status = b'{"error": {"message": "roles must alternate"}}', 400
    with pytest.raises(GeneratorError, match="roles must alternate") as caught:
        await generator.measure(QUESTION)
    assert caught.value.refusal


async def test_a_prompt_that_takes_too_long_to_render_is_an_error(
    generator: PoolGenerator, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("server.generators.backend._ASKING_SECONDS", 0.0)
    with pytest.raises(GeneratorError, match="no answer to /tokenize"):
        await generator.measure(QUESTION)


async def test_where_the_deadline_has_come_nothing_is_rendered(generator: PoolGenerator):
    assert [(s.tokens, s.finish) for s in await drawn(generator, ordered(2, seconds=-1.0))] == [(0, Finish.LENGTH)] * 2
