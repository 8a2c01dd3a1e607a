import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.ports import Draw, GeneratorError, Scores, Tally
from router.testing import FakeGenerator, FakeScorer
from router.types import Candidate, Finish, Problem, Sample
from server.gateway import create_app, replies, streaming
from server.gateway.deps import Deps
from server.report import Outcome

from .serving import Watch, ask, deps, error_of, judge, question, script


def events_of(text: str) -> list[Any]:
    """The JSON of each event; the end mark and comments as they are."""
    frames = text.split("\n\n")
    assert frames.pop() == ""
    assert all(frame.startswith(("data: ", ":")) for frame in frames)
    return [json.loads(f[6:]) if f.startswith("data: {") else f for f in frames]


async def stream(dependencies: Deps | None = None, budget: str = "medium", **fields: Any) -> list[Any]:
    response = await ask(dependencies, {"X-Compute-Budget": budget}, stream=True, **fields)
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert response.headers["cache-control"] == "no-cache"
    assert response.headers["x-compute-budget"].startswith("samples=")
    return events_of(response.text)


def written(events: list[Any], field: str, index: int = 0) -> str:
    choices = [c for e in events if isinstance(e, dict) for c in e["choices"] if c["index"] == index]
    return "".join(c["delta"].get(field, "") for c in choices)


async def test_a_stream_is_role_then_reasoning_then_content_then_finish_then_done() -> None:
    events = await stream(seed=1)
    assert events[-1] == "data: [DONE]"
    deltas = [e["choices"][0]["delta"] for e in events[:-1]]
    assert deltas[0] == {"role": "assistant", "content": ""}
    kinds = ["reasoning" if "reasoning" in d else "content" for d in deltas[1:-1]]
    assert kinds == sorted(kinds, reverse=True)
    assert {"reasoning", "content"} == set(kinds)
    assert deltas[-1] == {}
    assert [e["choices"][0]["finish_reason"] for e in events[:-1]] == [None] * (len(deltas) - 1) + ["stop"]
    assert len({e["id"] for e in events[:-1]}) == 1
    assert events[-2]["compute"]["samples"] > 0
    assert all("usage" not in e for e in events[:-1])


async def test_a_stream_says_what_a_plain_reply_says() -> None:
    plain = (await ask(headers={"X-Compute-Budget": "medium"}, seed=3)).json()
    events = await stream(seed=3)
    message = plain["choices"][0]["message"]
    assert written(events, "content") == message["content"]
    assert written(events, "reasoning") == written(events, "reasoning_content") == message["reasoning"]
    assert "Probe: 4 samples" in message["reasoning"]
    assert "Answer: 42" in message["reasoning"]
    assert events[-2]["compute"]["votes"] == plain["compute"]["votes"]


async def test_usage_comes_in_a_chunk_of_its_own_if_asked_for() -> None:
    events = await stream(stream_options={"include_usage": True})
    assert events[-1] == "data: [DONE]"
    assert events[-2]["choices"] == []
    assert events[-2]["usage"]["completion_tokens"] == events[-2]["compute"]["tokens"]
    assert all(e["usage"] is None for e in events[:-2])
    assert all("compute" not in e for e in events[:-2])


async def test_each_choice_has_its_index() -> None:
    plain = (await ask(headers={"X-Compute-Budget": "low"}, seed=3, n=2)).json()
    events = await stream(budget="low", seed=3, n=2)
    for i in (0, 1):
        assert written(events, "role", i) == "assistant"
        assert written(events, "content", i) == plain["choices"][i]["message"]["content"]
    finished = [c["index"] for e in events[:-1] for c in e["choices"] if c["finish_reason"]]
    assert finished == [0, 1]


async def test_reasoning_can_be_left_out_of_a_stream() -> None:
    events = await stream(reasoning={"exclude": True})
    assert written(events, "reasoning") == ""
    assert "boxed" in written(events, "content")


class Typing(FakeGenerator):
    """Writes word by word, and fails after `words` of them if told to."""

    words: int | None = None

    async def sample(
        self, draw: Draw, tally: Tally, on_text: Callable[[str], None] | None = None
    ) -> AsyncIterator[tuple[int, Sample]]:
        assert on_text
        for i, word in enumerate(("one ", "two ", "three ", "four")):
            if i == self.words:
                raise GeneratorError("the line is cut")
            tally.tokens += 1
            on_text(word)
            await asyncio.sleep(0)
        yield 0, Sample("one two three four", 4, Finish.EOS)


async def test_a_single_sample_is_passed_on_as_it_is_written() -> None:
    watch = Watch()
    events = await stream(deps(Typing(script), watch=watch), budget="minimal")
    contents = [e["choices"][0]["delta"].get("content") for e in events[:-1]]
    assert contents == ["", "one ", "two ", "three ", "four", None]
    assert written(events, "reasoning") == ""
    assert watch.reports[0].stream
    assert watch.reports[0].first_token is not None


async def test_what_asks_for_no_answer_to_vote_on_is_passed_on_as_it_is_written() -> None:
    chat = [{"role": "user", "content": "Write me a poem about the sea."}]
    events = await stream(deps(Typing(script)), budget="high", messages=chat)
    contents = [e["choices"][0]["delta"].get("content") for e in events[:-1]]
    assert contents == ["", "one ", "two ", "three ", "four", None]


async def test_what_fails_before_the_stream_begins_is_a_plain_error() -> None:
    dead = await ask(deps(FakeGenerator(script, fail=True)), {"X-Compute-Budget": "high"}, stream=True)
    assert (dead.status_code, error_of(dead)["code"]) == (502, "generator_failed")


async def test_what_fails_within_the_stream_ends_it_with_an_error() -> None:
    generator, watch = Typing(script), Watch()
    generator.words = 2
    events = await stream(deps(generator, watch=watch), budget="minimal")
    assert written(events[:-1], "content") == "one two "
    assert events[-1]["error"]["code"] == "generator_failed"
    assert watch.reports[0].outcome is Outcome.GENERATOR


async def test_a_fault_of_ours_within_the_stream_is_told_there_without_details(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(*_arguments: Any) -> None:
        raise RuntimeError("a secret of the house")

    monkeypatch.setattr(replies, "compute", broken)
    watch = Watch()
    events = await stream(deps(watch=watch))
    assert events[-1]["error"]["code"] == "internal_error"
    assert "secret" not in events[-1]["error"]["message"]
    assert watch.reports[0].outcome is Outcome.INTERNAL


async def test_progress_leaves_as_soon_as_there_has_been_a_sample() -> None:
    told: asyncio.Queue[bytes] = asyncio.Queue()

    class Curious(FakeGenerator):
        """Draws on only when the client has been told of the probe."""

        async def sample(
            self, draw: Draw, tally: Tally, on_text: Callable[[str], None] | None = None
        ) -> AsyncIterator[tuple[int, Sample]]:
            while self.draws and b"Probe: " not in await asyncio.wait_for(told.get(), 5):
                pass
            async for each in FakeGenerator.sample(self, draw, tally, on_text):
                yield each

    class Unhurried(FakeScorer):
        async def score(self, problem: Problem, candidates: Sequence[Candidate], prompt_tokens: int) -> Scores:
            for _ in range(10):
                await asyncio.sleep(0)
            return await FakeScorer.score(self, problem, candidates, prompt_tokens)

    received: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    received.put_nowait({"type": "http.request", "body": json.dumps(question(stream=True)).encode()})

    async def send(message: Any) -> None:
        told.put_nowait(message.get("body", b""))

    headers = [(b"x-compute-budget", b"medium")]
    scope = {"type": "http", "method": "POST", "path": "/v1/chat/completions", "headers": headers, "query_string": b""}
    watch = Watch()
    await create_app(deps(Curious(script), Unhurried(judge), watch=watch))(scope, received.get, send)
    assert [report.outcome for report in watch.reports] == [Outcome.ANSWERED]


@pytest.mark.parametrize("budget", ["minimal", "medium"])
async def test_the_first_piece_of_a_streamed_answer_is_timed(budget: str) -> None:
    watch = Watch()
    await stream(deps(watch=watch), budget)
    await ask(deps(watch=watch), {"X-Compute-Budget": budget})
    streamed, plain = watch.reports
    assert streamed.first_token is not None
    assert 0 < streamed.first_token <= streamed.seconds
    assert plain.first_token is None


async def test_silence_is_filled_with_comments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "SILENCE", 0.01)
    events = await stream(deps(FakeGenerator(script, seconds=0.003)), budget="low")
    assert ": keep-alive" in events
    assert "boxed" in written([e for e in events if isinstance(e, dict)], "content")


@settings(deadline=None, derandomize=True, max_examples=50)
@given(st.text(max_size=200))
def test_an_answer_in_pieces_is_the_answer(text: str) -> None:
    pieces = streaming._PIECE.findall(text)
    assert "".join(pieces) == text


async def test_what_the_model_does_not_know_is_the_first_thing_a_client_reads() -> None:
    limited = deps(notice="I only know sums.")
    events = await stream(limited)
    assert written(events, "reasoning_content").startswith("I only know sums.\n")
    silent = await stream(limited, reasoning={"exclude": True})
    assert not written(silent, "reasoning_content")
    plain = (await ask(limited)).json()
    assert plain["choices"][0]["message"]["reasoning_content"].startswith("I only know sums.\n")
    assert plain["compute"]["notice"] == "I only know sums."
