"""The scorer against the real service, against servers that answer wrongly, and against none."""

import asyncio
import json
import logging
import signal
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest
from starlette.requests import Request
from starlette.responses import Response

from router.extraction import split_steps
from router.ports import Scorer, ScorerError, Scores
from router.types import Candidate, Finish, Message, Problem
from server.prm import client
from server.prm.client import HttpScorer
from server.prm.complaints import Complaints, reason
from server.prm.limits import MOST_STEPS
from server.upstream import Pool, PoolOptions, Stalled, UpstreamError
from server.upstream.errors import Absence, NoReplica

from .fakes import truth
from .serving import answering, process

QUESTION = "What is 2 + 3 * 4?"
PROBLEM = Problem((Message("system", "Be kind."), Message("user", QUESTION)))


def solution(text: str, finish: Finish = Finish.EOS, tokens: int = 20) -> Candidate:
    return Candidate(text=text, tokens=tokens, finish=finish)


PROMPT = 30
"""Tokens of the question, as a generator counted them."""

TWO = [solution("First.\n\nThen."), solution("At once.")]


@asynccontextmanager
async def scoring(
    *urls: str,
    timeout: float = 10.0,  # noqa: ASYNC109 - it is the scorer's
    health_seconds: float = 0.0,  # a machine under load misses short checks, which would end calls
    **fields: Any,
) -> AsyncGenerator[HttpScorer]:
    pool = Pool("judges", urls, options=PoolOptions(health_seconds=health_seconds))
    await pool.start()
    try:
        yield HttpScorer(pool, timeout=timeout, **fields)
    finally:
        await pool.aclose()


def expected(*candidates: Candidate) -> list[Any]:
    return [pytest.approx(truth(QUESTION, split_steps(c.text))) for c in candidates]


def good(request: dict[str, Any]) -> dict[str, Any]:
    """What the service would answer, with a half for every step."""
    data = [{"index": i, "rewards": [0.5] * len(item["steps"])} for i, item in enumerate(request["items"])]
    return {"data": data, "usage": {"computed_tokens": 7}}


async def test_it_is_a_scorer_and_its_bill_is_a_bound_that_is_told() -> None:
    async with scoring("http://127.0.0.1:9", ratio=2.5, name="qwen") as scorer:
        port: Scorer = scorer
        assert (port.name, port.ratio, port.bill(10, 100)) == ("qwen", 2.5, 476)
    async with scoring("http://127.0.0.1:9") as scorer:
        assert (scorer.name, scorer.ratio) == ("judges", 1.0)


async def test_the_real_service_judges_each_step_of_each_candidate() -> None:
    candidates = [*TWO, solution(""), solution(" \n\n "), solution("x\n\ny\n\nz", Finish.STEP)]
    async with process() as (_, url), scoring(url) as scorer:
        scores = await scorer.score(PROBLEM, candidates, PROMPT)
        assert await scorer.score(PROBLEM, [solution("")], PROMPT) == Scores(((),), 0)
    assert list(scores.rewards) == [*expected(*TWO), (), (), *expected(candidates[-1])]
    assert scores.tokens == sum(len(QUESTION) + len("".join(split_steps(c.text))) for c in candidates if c.text.strip())


async def test_what_the_service_is_sent() -> None:
    seen: list[dict[str, Any]] = []

    async def answer(request: Request) -> Response:
        seen.append(await request.json())
        return Response(json.dumps(good(seen[-1])))

    cut, step = solution("a\n\nb", Finish.LENGTH, 7), solution("a", Finish.STEP, 5)
    async with answering(answer) as url, scoring(url) as scorer:
        assert (await scorer.score(PROBLEM, [TWO[0], cut, step], PROMPT)).rewards == ((0.5, 0.5), (0.5, 0.5), (0.5,))
    items = seen[0]["items"]
    assert [item["finished"] for item in items] == [True, False, False]
    assert [item["steps"] for item in items] == [["First.", "Then."], ["a", "b"], ["a"]]
    assert {item["problem"] for item in items} == {QUESTION}
    # What it may take is what was set aside for it.
    assert [item["max_tokens"] for item in items] == [2 * (PROMPT + tokens) + 256 for tokens in (20, 7, 5)]


async def test_a_question_of_which_every_character_is_a_token_is_judged() -> None:
    digits = Problem((Message("user", "".join(str(i % 10) for i in range(900))),))
    async with process() as (_, url), scoring(url) as scorer:
        scores = await scorer.score(digits, [solution("1", Finish.STEP, tokens=8)], 900)
    assert list(scores.rewards) == [pytest.approx(truth(digits.question, ("1",)))]


async def test_a_candidate_the_service_cannot_judge_costs_only_itself() -> None:
    candidates = [solution("fine"), solution("a <sep> b"), solution("long " * 1000, tokens=1), solution("☠")]
    degenerate = solution("\n\n".join("x" * (MOST_STEPS + 1)))
    async with process() as (_, url), scoring(url) as scorer:
        scores = await scorer.score(PROBLEM, [*candidates, degenerate], PROMPT)
        assert list(scores.rewards) == [*expected(candidates[0]), (), (), (), ()]
        with pytest.raises(ScorerError, match=r"^gave no usable rewards$"):
            await scorer.score(PROBLEM, candidates[1:3], PROMPT)
        with pytest.raises(ScorerError, match=r"^gave no usable rewards$"):
            await scorer.score(PROBLEM, candidates[3:], PROMPT)


async def test_many_candidates_are_sent_in_several_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "MOST_ITEMS", 4)
    monkeypatch.setattr(client, "_CALL_BYTES", 1000)
    candidates = [solution(f"step {i}" + "x" * (i * 50), tokens=500) for i in range(15)]
    async with process() as (_, url), scoring(url) as scorer:
        scores = await scorer.score(PROBLEM, candidates, PROMPT)
    assert list(scores.rewards) == expected(*candidates)
    assert scores.tokens == sum(len(QUESTION) + len(c.text) for c in candidates)


async def test_a_candidate_that_is_no_text_costs_only_itself() -> None:
    async with process() as (_, url), scoring(url) as scorer:
        odd = solution("\ud800")
        assert list((await scorer.score(PROBLEM, [odd, TWO[0]], PROMPT)).rewards) == [(), *expected(TWO[0])]
        assert await scorer.score(PROBLEM, [odd], PROMPT) == Scores(((),), 0)
        with pytest.raises(ScorerError, match="cannot be sent this question"):
            await scorer.score(Problem((Message("user", "\ud800"),)), TWO, PROMPT)


async def test_what_was_judged_before_a_call_failed_is_kept_and_paid(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "MOST_ITEMS", 1)
    calls = 0

    async def answer(request: Request) -> Response:
        nonlocal calls
        calls += 1
        return Response(json.dumps(good(await request.json())) if calls == 1 else "{}")

    async with answering(answer) as url, scoring(url) as scorer:
        assert await scorer.score(PROBLEM, TWO, PROMPT) == Scores(((0.5, 0.5), ()), 7)
        with pytest.raises(ScorerError):
            await scorer.score(PROBLEM, TWO, PROMPT)


def wrong(**fields: Any) -> str:
    """A good reply for TWO but for these fields."""
    reply = good({"items": [{"steps": [1, 2]}, {"steps": [1]}]})
    return json.dumps({**reply, **fields})


def second(**fields: Any) -> str:
    return wrong(data=[{"index": 0, "rewards": [0.5, 0.5]}, {"index": 1, "rewards": [0.5], **fields}])


WRONG = {
    "nan": second(rewards=[float("nan")]),
    "infinity": second(rewards=[float("inf")]),
    "huge": second(rewards=[10**400]),
    "null": second(rewards=[None]),
    "string": second(rewards=["0.5"]),
    "bool": second(rewards=[True]),
    "nested": second(rewards=[[0.5]]),
    "above": second(rewards=[1.0000001]),
    "below": second(rewards=[-0.1]),
    "too many rewards": second(rewards=[0.5, 0.5]),
    "too few rewards": second(rewards=[]),
    "no list": second(rewards=0.5),
    "null list": second(rewards=None),
    "another order": second(index=0),
    "no index": wrong(data=[{"rewards": [0.5, 0.5]}, {"rewards": [0.5]}]),
    "an error without a message": second(error={"code": "x"}),
    "an error that is a text": second(error="no"),
    "too few items": wrong(data=[{"index": 0, "rewards": [0.5, 0.5]}]),
    "too many items": wrong(data=[{"index": i, "rewards": [0.5]} for i in range(3)]),
    "items that are none": wrong(data=[1, 2]),
    "no data": "{}",
    "data that is null": wrong(data=None),
    "no usage": wrong(usage=None),
    "tokens that are none": wrong(usage={"computed_tokens": "7"}),
    "tokens that are true": wrong(usage={"computed_tokens": True}),
    "tokens below zero": wrong(usage={"computed_tokens": -1}),
    "more tokens than allowed": wrong(usage={"computed_tokens": 10**6}),
    "a list": "[]",
    "empty": "",
    "half": wrong()[:-9],
    "a page": "<html>Welcome to the proxy</html>",
}


@pytest.mark.parametrize("body", WRONG.values(), ids=WRONG.keys())
async def test_a_reply_that_is_wrong_is_no_reward(body: str) -> None:
    async def answer(_request: Request) -> Response:
        return Response(body, media_type="application/json")

    async with answering(answer) as url, scoring(url) as scorer:
        with pytest.raises(ScorerError, match=r"^gave no usable rewards$"):
            await scorer.score(PROBLEM, TWO, PROMPT)


async def test_a_right_reply_of_that_kind_is_taken() -> None:
    async def answer(_request: Request) -> Response:
        return Response(second(), media_type="text/plain")

    async with answering(answer) as url, scoring(url) as scorer:
        scores = await scorer.score(PROBLEM, TWO, PROMPT)
    assert (scores.rewards, scores.tokens) == (((0.5, 0.5), (0.5,)), 7)


TOLD = {400: "refuses the request", 404: "gave no usable rewards", 500: "gave no usable rewards", 503: "is full"}


@pytest.mark.parametrize("status", TOLD)
async def test_an_error_reply_is_told_without_its_words_which_are_for_the_log(
    status: int, caplog: pytest.LogCaptureFixture
) -> None:
    async def answer(_request: Request) -> Response:
        return Response(json.dumps({"error": {"message": "http://10.0.0.7 is not having its day."}}), status)

    async with answering(answer) as url, scoring(url) as scorer:
        for _ in range(2):
            with pytest.raises(ScorerError, match=f"^{TOLD[status]}$"):
                await scorer.score(PROBLEM, TWO, PROMPT)
    assert sum(f"the scorer judges {TOLD[status]}" in message for message in caplog.messages) >= 1
    assert any("10.0.0.7" in message for message in caplog.messages)


async def test_where_nobody_listens_is_told_without_an_address() -> None:
    async with scoring("http://127.0.0.1:9") as scorer:
        with pytest.raises(ScorerError, match=r"^cannot be reached$"):
            await scorer.score(PROBLEM, TWO, PROMPT)


def test_the_log_hears_of_each_kind_once_a_second(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "server.prm")
    now = 0.0
    complaints = Complaints("judge", lambda: now)
    for moment, kind in ((0.0, "a"), (0.9, "a"), (0.9, "b"), (1.0, "a"), (1.1, "b"), (2.0, "b")):
        now = moment
        complaints.note(kind, moment)
    assert [record.args for record in caplog.records] == [
        ("judge", "a", 0.0),
        ("judge", "b", 0.9),
        ("judge", "a", 1.0),
        ("judge", "b", 2.0),
    ]


@pytest.mark.parametrize(
    ("failure", "told"),
    [
        (NoReplica("http://10.0.0.7", Absence.DOWN), "cannot be reached"),
        (NoReplica("http://10.0.0.7", Absence.BUSY), "is full"),
        (Stalled("http://10.0.0.7"), "gave no rewards in 3 s"),
    ],
)
def test_no_address_is_told(failure: UpstreamError, told: str) -> None:
    assert reason(failure, 3.0) == told


async def test_of_a_service_that_is_down_one_search_at_a_time_finds_out_and_all_do_when_it_is_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    silent, calls, healthy = asyncio.Event(), 0, 0

    async def answer(request: Request) -> Response:
        nonlocal calls
        calls += 1
        await asyncio.wait_for(silent.wait(), 20)
        return Response(json.dumps(good(await request.json())))

    async with answering(answer) as url, scoring(url, timeout=10.0) as scorer:
        monkeypatch.setattr(Pool, "healthy", property(lambda _: healthy))
        trial = asyncio.create_task(scorer.score(PROBLEM, TWO, PROMPT))
        await asyncio.sleep(0)
        for _ in range(5):
            with pytest.raises(ScorerError, match="left alone"):
                await scorer.score(PROBLEM, TWO, PROMPT)
        healthy = 1
        silent.set()
        assert (await scorer.score(PROBLEM, TWO, PROMPT)).tokens == 7  # although the trial has not ended
        assert (await trial).tokens == 7
        assert calls == 2
        scores = await asyncio.gather(*(scorer.score(PROBLEM, TWO, PROMPT) for _ in range(5)))
        assert [s.tokens for s in scores] == [7] * 5


async def test_a_service_that_is_busy_for_a_moment_is_asked_again() -> None:
    calls = 0

    async def answer(request: Request) -> Response:
        nonlocal calls
        calls += 1
        if calls == 1:
            return Response("{}", 503, {"retry-after": "0"})
        return Response(json.dumps(good(await request.json())))

    async with answering(answer) as url, scoring(url) as scorer:
        assert (await scorer.score(PROBLEM, TWO, PROMPT)).rewards == ((0.5, 0.5), (0.5,))
    assert calls == 2


async def test_another_replica_is_asked_when_one_gives_no_rewards() -> None:
    async def sick(_request: Request) -> Response:
        return Response("{}")

    async def well(request: Request) -> Response:
        return Response(json.dumps(good(await request.json())))

    async with answering(sick) as first, answering(well) as other, scoring(first, other) as scorer:
        for i in range(10):  # some of these questions prefer the sick one
            problem = Problem((Message("user", f"question {i}"),))
            assert (await scorer.score(problem, TWO, PROMPT)).tokens == 7


async def test_a_silent_service_is_given_up_in_time_and_then_left_alone_until_it_answers() -> None:
    silent, calls = asyncio.Event(), 0

    async def answer(request: Request) -> Response:
        nonlocal calls
        calls += 1
        if not silent.is_set():
            await asyncio.wait_for(silent.wait(), 20)
        return Response(json.dumps(good(await request.json())))

    async with answering(answer) as url, scoring(url, timeout=0.2) as scorer:
        loop = asyncio.get_running_loop()
        for _ in range(3):
            begun = loop.time()
            with pytest.raises(ScorerError, match=r"in 0\.2 s"):
                await scorer.score(PROBLEM, TWO, PROMPT)
            assert loop.time() - begun < 5.0
        before = calls
        with pytest.raises(ScorerError, match="left alone"):
            await scorer.score(PROBLEM, TWO, PROMPT)
        assert calls == before
        silent.set()
        assert (await _recovered(scorer)).tokens == 7


async def test_only_one_search_tries_a_service_that_was_silent() -> None:
    silent, calls = asyncio.Event(), 0

    async def answer(request: Request) -> Response:
        nonlocal calls
        calls += 1
        await asyncio.wait_for(silent.wait(), 20)
        return Response(json.dumps(good(await request.json())))

    async with answering(answer) as url, scoring(url, timeout=0.2) as scorer:
        await asyncio.gather(*(scorer.score(PROBLEM, TWO, PROMPT) for _ in range(5)), return_exceptions=True)
        breaker = scorer._breaker
        breaker.half_open()
        before = calls
        outcomes = await asyncio.gather(*(scorer.score(PROBLEM, TWO, PROMPT) for _ in range(5)), return_exceptions=True)
        assert all(isinstance(o, ScorerError) for o in outcomes)
        assert calls == before + 1
        breaker.half_open()
        trial = asyncio.create_task(scorer.score(PROBLEM, TWO, PROMPT))
        await asyncio.sleep(0)
        trial.cancel()  # whose client has left: it says nothing of the service
        await asyncio.wait([trial])
        silent.set()
        assert (await scorer.score(PROBLEM, TWO, PROMPT)).tokens == 7


async def _recovered(scorer: HttpScorer) -> Any:
    async with asyncio.timeout(60):
        while True:
            try:
                return await scorer.score(PROBLEM, TWO, PROMPT)
            except ScorerError:
                await asyncio.sleep(0.02)


async def test_a_service_that_is_killed_and_comes_back_is_used_again() -> None:
    async with process(seconds=0.5) as (child, url), scoring(url, health_seconds=0.5) as scorer:
        assert list((await scorer.score(PROBLEM, TWO, PROMPT)).rewards) == expected(*TWO)
        under_way = asyncio.create_task(scorer.score(PROBLEM, TWO, PROMPT))
        await asyncio.sleep(0.1)
        child.kill()
        await child.wait()
        loop = asyncio.get_running_loop()
        begun = loop.time()
        with pytest.raises(ScorerError):
            await under_way
        with pytest.raises(ScorerError):
            await scorer.score(PROBLEM, TWO, PROMPT)
        assert loop.time() - begun < 9.0  # less than the timeout
        async with process(urlsplit(url).port or 0):
            assert list((await _recovered(scorer)).rewards) == expected(*TWO)


async def test_a_service_that_is_stopped_is_found_out_before_the_timeout() -> None:
    async with process() as (child, url), scoring(url, timeout=60.0, health_seconds=0.5) as scorer:
        await scorer.score(PROBLEM, TWO, PROMPT)
        child.send_signal(signal.SIGSTOP)
        with pytest.raises(ScorerError):
            await asyncio.wait_for(scorer.score(PROBLEM, TWO, PROMPT), 30)
        child.send_signal(signal.SIGCONT)
        assert list((await _recovered(scorer)).rewards) == expected(*TWO)


async def test_a_search_that_is_abandoned_leaves_nothing_behind() -> None:
    async with process(seconds=0.5) as (_, url), scoring(url) as scorer:
        under_way = asyncio.create_task(scorer.score(PROBLEM, TWO, PROMPT))
        await asyncio.sleep(0.1)
        under_way.cancel()
        with pytest.raises(asyncio.CancelledError):
            await under_way
        assert [r.load for r in scorer._pool.replicas] == [0]
