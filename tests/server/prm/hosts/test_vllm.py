import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import numpy as np
import orjson
import pytest
from aiohttp import web

from server.prm.hosts import vllm
from server.prm.hosts.vllm import VllmHost
from server.prm.ports import ClassLogits, Head, HostError, Passage, TokenLogits, TokenLogprobs
from server.upstream.options import PoolOptions
from server.upstream.pool import Pool

from .vllm_server import VllmServer, error, logits, logprob

TAG = 5
CLASSES = ClassLogits()
ONE = Passage((1, 2, 9, TAG), (3,), ((0, 1),))
RAGGED = (
    ONE,
    Passage((1, 2, TAG, 3, 4, 6, TAG, 8, TAG), (2, 6, 8), ((0, 1), (1, 2), (2, 3))),
    Passage((TAG,), (0,), ((0, 1),)),
)
FORTY = Passage(
    (1, *(t for i in range(40) for t in (i + 10, TAG))), tuple(range(2, 81, 2)), tuple((i, i + 1) for i in range(40))
)


@asynccontextmanager
async def hosting(
    *servers: VllmServer,
    head: Head = CLASSES,
    options: PoolOptions | None = None,
    **settings: Any,
) -> AsyncGenerator[VllmHost]:
    async with AsyncExitStack() as stack:
        urls = [await stack.enter_async_context(server.serving()) for server in servers]
        pool = Pool("prm", urls, options=options or PoolOptions(affinity=False, health_seconds=60.0))
        host = VllmHost(pool, head, **settings)
        stack.push_async_callback(host.aclose)
        await host.start()
        yield host


def expected(passages: Sequence[Passage]) -> list[list[list[float]]]:
    return [[logits(passage.tokens, read) for read in passage.reads] for passage in passages]


def read_values(readings: Sequence[Any]) -> list[list[list[float]]]:
    return [reading.values.tolist() for reading in readings]


@pytest.mark.parametrize("pooled", ["ALL", "STEP"])
async def test_every_read_gets_its_own_row_however_vllm_pools(pooled: Any) -> None:
    passages = (*RAGGED, FORTY)
    async with hosting(VllmServer(pooled, TAG, context=128)) as host:
        readings = await host.read(passages)
    assert read_values(readings) == expected(passages)
    assert all(reading.values.dtype == np.float32 for reading in readings)


async def test_raw_scores_are_asked_for_and_all_tokens_count_as_computed() -> None:
    async with hosting(server := VllmServer()) as host:
        assert [reading.computed for reading in await host.read([ONE])] == [4]
        assert (host.name, host.context) == ("prm", 64)
    assert server.calls == [{"model": "prm", "input": [list(ONE.tokens)], "use_activation": False}]


async def test_results_that_come_in_another_order_are_put_in_order() -> None:
    async with hosting(VllmServer(reversed=True)) as host:
        assert read_values(await host.read(RAGGED)) == expected(RAGGED)


async def test_reading_nothing_asks_nothing() -> None:
    async with hosting(server := VllmServer()) as host:
        assert (await host.read([]), server.calls) == ([], [])


async def test_a_sequence_classifier_gives_one_row_at_the_end() -> None:
    async with hosting(VllmServer("LAST", width=1)) as host:
        (reading,) = await host.read([ONE])
    assert reading.values.tolist() == [[logits(ONE.tokens, 3)[0]]]


async def test_a_sequence_classifier_cannot_be_read_within_a_text() -> None:
    async with hosting(VllmServer("LAST")) as host:
        with pytest.raises(HostError, match="reads a text once"):
            await host.read([RAGGED[1]])


async def test_single_logits_are_read_in_the_order_of_the_head() -> None:
    async with hosting(VllmServer(), head=TokenLogits((7, 8))) as host:
        assert read_values(await host.read(RAGGED)) == expected(RAGGED)


async def test_an_embedding_is_not_taken_for_logits() -> None:
    async with hosting(VllmServer("STEP", TAG, width=256), head=TokenLogits((7, 8))) as host:
        with pytest.raises(HostError, match="256 numbers where 2"):
            await host.read([ONE])


@pytest.mark.parametrize(
    "passage",
    [
        Passage((1, TAG, 2, TAG), (1,), ((0, 1),)),
        Passage((1, 6, TAG, 6, TAG), (1, 2), ((0, 1), (1, 2))),
        Passage((6, TAG, 6, 6, TAG), (0, 2), ((0, 1), (1, 2))),
        Passage((1, 6, 7, 8), (2,), ((0, 1),)),
    ],
    ids=["a tag that is not read", "two different tokens", "as many of other tokens", "no tag"],
)
async def test_rows_of_other_tokens_are_not_taken_for_those_that_are_wanted(passage: Passage) -> None:
    async with hosting(VllmServer("STEP", TAG)) as host:
        with pytest.raises(HostError, match="tok_pooling_type"):
            await host.read([passage])


async def test_log_probabilities_are_those_of_the_tokens_at_the_reads() -> None:
    passages = (Passage((4, 9, 2, 7), (2, 3), ((0, 2),)), Passage((4, 9), (1,), ((0, 1),)))
    async with hosting(server := VllmServer("NONE"), head=TokenLogprobs()) as host:
        readings = await host.read(passages)
        assert host.context == 63  # vLLM generates one token in any case
    assert read_values(readings) == [
        [[pytest.approx(logprob(passage.tokens, read))] for read in passage.reads] for passage in passages
    ]
    assert server.calls[0]["prompt_logprobs"] == 0


async def test_the_first_token_has_no_log_probability() -> None:
    async with hosting(VllmServer("NONE"), head=TokenLogprobs()) as host:
        with pytest.raises(HostError, match="first token"):
            await host.read([Passage((4, 9), (0, 1), ((0, 2),))])


async def test_a_server_that_ignores_prompt_logprobs_is_found_out() -> None:
    choice = {"index": 0, "text": "x", "finish_reason": "length"}
    server = VllmServer("NONE", faults=[web.json_response({"choices": [choice]})])
    async with hosting(server, head=TokenLogprobs()) as host:
        with pytest.raises(HostError, match="does not tell"):
            await host.read([Passage((4, 9), (1,), ((0, 1),))])


async def test_numbers_that_are_none_become_not_a_number_for_the_family_to_reject() -> None:
    reply = web.json_response({"data": [{"index": 0, "data": [[1.0, 2.0]] * 3 + [[None, 1.0]]}]})
    async with hosting(VllmServer(faults=[reply])) as host:
        (reading,) = await host.read([ONE])
    assert np.isnan(reading.values).tolist() == [[True, False]]


def one(data: Any) -> dict[str, Any]:
    return {"data": [{"index": 0, "data": data}]}


@pytest.mark.parametrize(
    "reply",
    [
        b"<html>",
        [],
        {"data": None},
        {"data": []},
        {"data": [{"data": [[1.0, 2.0]]}]},
        {"data": [{"index": 1, "data": [[1.0, 2.0]]}]},
        {"data": [{"index": 0, "embedding": []}]},
        one([[1.0, 2.0], [1.0]]),
        one("AACAPwAAAEA="),
    ],
    ids=repr,
)
async def test_garbage_is_asked_for_again(reply: Any) -> None:
    servers = [VllmServer() for _ in range(2)]
    async with hosting(*servers) as host:
        for server in servers:
            server.faults = [web.Response(body=reply if isinstance(reply, bytes) else orjson.dumps(reply))]
        assert read_values(await host.read([ONE])) == expected([ONE])
    assert sorted(len(server.calls) for server in servers) == [1, 2]


async def test_log_probabilities_of_other_tokens_are_garbage() -> None:
    choice = {"index": 0, "prompt_logprobs": [None, {"3": {"logprob": -1.0}}]}
    server = VllmServer("NONE", faults=[web.json_response({"choices": [choice]})])
    async with hosting(server, head=TokenLogprobs()) as host:
        (reading,) = await host.read([Passage((4, 9), (1,), ((0, 1),))])
    assert reading.values.tolist() == [[pytest.approx(-0.13)]]
    assert len(server.calls) == 2


async def test_a_call_that_fails_goes_to_the_other_replica() -> None:
    servers = [VllmServer() for _ in range(2)]
    async with hosting(*servers) as host:
        for server in servers:
            server.faults = [error(500, "EngineCore encountered an issue.")]
        assert read_values(await host.read([ONE])) == expected([ONE])
    assert sorted(len(server.calls) for server in servers) == [1, 2]


async def test_what_keeps_failing_is_an_error_with_the_servers_words() -> None:
    faults = [error(500, "EngineCore encountered an issue.") for _ in range(20)]
    async with hosting(VllmServer(faults=faults), seconds=0.5) as host:
        with pytest.raises(HostError, match="EngineCore"):
            await host.read([ONE])


async def test_a_refusal_is_an_error_at_once() -> None:
    async with hosting(server := VllmServer(context=3)) as host:
        with pytest.raises(HostError, match=r"refuses \(400\): This model's maximum context length is 3"):
            await host.read([ONE])
    assert len(server.calls) == 1


async def test_a_generator_is_not_a_scorer() -> None:
    async with hosting(VllmServer("NONE")) as host:
        with pytest.raises(HostError, match="404"):
            await host.read([ONE])


async def test_a_server_that_never_answers_costs_its_time_and_no_more() -> None:
    class Silent(VllmServer):
        async def _pooling(self, request: web.Request) -> web.Response:
            await asyncio.Event().wait()
            raise AssertionError

    async with hosting(Silent(), seconds=0.2) as host:
        with pytest.raises(HostError, match=r"no answer in 0\.2 s"):
            await host.read([ONE])


async def test_a_batch_is_shared_out_over_the_replicas() -> None:
    servers = [VllmServer(context=128) for _ in range(2)]
    async with hosting(*servers) as host:
        assert read_values(await host.read([ONE, FORTY] * 5)) == expected([ONE, FORTY] * 5)
    assert [[len(call["input"]) for call in server.calls] for server in servers] == [[5], [5]]


async def test_a_call_is_bounded_in_texts_and_in_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vllm, "_CALL_TOKENS", 100)
    async with hosting(server := VllmServer(context=128)) as host:
        passages = [ONE] * 20 + [FORTY] * 2
        assert read_values(await host.read(passages)) == expected(passages)
    assert sorted(len(call["input"]) for call in server.calls) == [1, 5, 16]


async def test_a_large_reply_is_parsed_beside_the_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vllm, "_LARGE", 10)
    async with hosting(VllmServer()) as host:
        assert read_values(await host.read(RAGGED)) == expected(RAGGED)


async def test_one_lost_call_is_the_loss_of_the_reading() -> None:
    async with hosting(VllmServer(context=10)) as host:
        with pytest.raises(HostError, match="maximum context"):
            await host.read([ONE] * 16 + [FORTY])


async def test_the_model_may_be_named() -> None:
    models = {"data": [{"id": id_, "max_model_len": n} for id_, n in (("lm", 3), ("prm", 9))]}
    async with hosting(VllmServer(models=models), model="prm") as host:
        assert (host.name, host.context) == ("prm", 9)


@pytest.mark.parametrize(
    ("models", "words"),
    [
        ({"data": []}, "'prm' is not served, but nothing"),
        ({"data": [{"id": "x", "max_model_len": 9}]}, "'prm' is not served, but x"),
        ({"data": [{"id": "prm"}]}, "is not vLLM"),
        ([], "is not vLLM"),
    ],
)
async def test_a_server_of_something_else_is_an_error_at_the_start(models: Any, words: str) -> None:
    with pytest.raises(HostError, match=words):
        async with hosting(VllmServer(models=models), model="prm"):
            pass


async def test_a_server_that_is_not_there_is_an_error_at_the_start() -> None:
    host = VllmHost(Pool("prm", ["http://127.0.0.1:1"]), ClassLogits())
    try:
        with pytest.raises(HostError, match=r"no model server answers: http://127\.0\.0\.1:1"):
            await host.start()
    finally:
        await host.aclose()


async def test_the_first_server_to_answer_tells_what_is_served() -> None:
    async with VllmServer(context=99).serving() as url:
        host = VllmHost(Pool("prm", ["http://127.0.0.1:1", url]), ClassLogits())
        try:
            await host.start()
            assert host.context == 99
        finally:
            await host.aclose()


def test_before_the_start_nothing_is_known_of_the_model() -> None:
    with pytest.raises(HostError, match="not been asked"):
        _ = VllmHost(Pool("prm", ["http://127.0.0.1:1"]), ClassLogits()).context
