"""The application on a real server, with a fake model."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from server.prm.app import Service, create_app
from server.prm.batching import BatchLimits
from server.prm.loading import Loading
from server.prm.metrics import Metrics
from tests.server.gateway.serving import error_of, serving

from .fakes import FakeFamily, FakeHost, truth

LIMITS = BatchLimits(items=8, tokens=1000, wait=0.001, queue_tokens=200)
PROBLEM = "What is 2 + 3?"


def service(host: FakeHost, limits: BatchLimits = LIMITS, **fields: Any) -> Service:
    metrics = Metrics("0.1.0")
    return Service("fake", "0.1.0", Loading(FakeFamily(), lambda: host, limits, metrics, pause=0.0), metrics, **fields)


@asynccontextmanager
async def running(
    host: FakeHost | None = None, limits: BatchLimits = LIMITS, *, loaded: bool = True, **fields: Any
) -> AsyncGenerator[httpx.AsyncClient]:
    app = create_app(service(host or FakeHost(), limits, **fields))
    async with serving(app) as port, httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as http:
        if loaded:
            await ready(http)
        yield http


async def ready(http: httpx.AsyncClient) -> None:
    async with asyncio.timeout(30):
        while (await http.get("/ready")).status_code != 200:
            pass


def item(*steps: str, **fields: Any) -> dict[str, Any]:
    return {"problem": PROBLEM, "steps": steps, **fields}


async def score(http: httpx.AsyncClient, *items: dict[str, Any], **fields: Any) -> httpx.Response:
    return await http.post("/v1/score", json={"items": items, **fields})


async def metric(http: httpx.AsyncClient, name: str, **labels: str) -> float:
    text = (await http.get("/metrics")).text
    families = text_string_to_metric_families(text)
    return sum(s.value for f in families for s in f.samples if s.name == name and labels.items() <= s.labels.items())


async def until(http: httpx.AsyncClient, name: str, least: float, **labels: str) -> None:
    async with asyncio.timeout(30):
        while await metric(http, name, **labels) < least:
            pass


async def test_items_are_judged_in_order() -> None:
    async with running() as http:
        reply = await score(http, item("a", "bb"), item("ccc"), model="fake")
    assert reply.status_code == 200
    content = reply.json()
    assert (content["object"], content["model"]) == ("list", "fake")
    assert [e["index"] for e in content["data"]] == [0, 1]
    assert content["data"][0]["rewards"] == pytest.approx(truth(PROBLEM, ("a", "bb")))
    assert content["data"][1]["rewards"] == pytest.approx(truth(PROBLEM, ("ccc",)))
    assert content["data"][0]["tokens"] == {"total": 17, "computed": 17}
    assert content["usage"] == {"total_tokens": 34, "computed_tokens": 34}


async def test_an_item_that_is_too_long_is_an_error_of_its_own() -> None:
    async with running() as http:
        data = (await score(http, item("x" * 5000), item("a"), item("abc", max_tokens=5))).json()["data"]
    assert [e.get("error", {}).get("code") for e in data] == [
        "context_length_exceeded",
        None,
        "context_length_exceeded",
    ]
    assert data[2]["error"]["param"] == "items[2]"


@pytest.mark.parametrize(
    ("fields", "status", "param", "code"),
    [
        ({"items": [item("a", " ")]}, 400, "items[0].steps[1]", None),
        ({"items": []}, 400, "items", None),
        ({"items": [item("a")], "model": "gpt-9"}, 404, "model", "model_not_found"),
    ],
)
async def test_what_cannot_be_served_is_refused_and_named(
    fields: dict[str, Any], status: int, param: str, code: str | None
) -> None:
    async with running() as http:
        reply = await http.post("/v1/score", json=fields)
        assert await metric(http, "cogitate_prm_requests_total", outcome="invalid") == 1
    error = error_of(reply)
    assert (reply.status_code, error["param"], error["code"]) == (status, param, code)
    assert error["type"] == "invalid_request_error"


async def test_a_body_that_is_too_large_is_refused_announced_or_not() -> None:
    async def chunks() -> AsyncGenerator[bytes]:
        for _ in range(3):
            yield b" " * 50

    async with running(max_body_bytes=100) as http:
        announced = await http.post("/v1/score", content=b" " * 101)
        chunked = await http.post("/v1/score", content=chunks())
    assert announced.status_code == chunked.status_code == 413
    assert error_of(chunked)["code"] == "request_too_large"
    assert announced.headers["connection"] == "close"


async def test_a_body_that_does_not_come_is_not_waited_for() -> None:
    async with running(body_seconds=0.02) as http:
        reader, writer = await asyncio.open_connection(http.base_url.host, http.base_url.port)
        writer.write(b"POST /v1/score HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{")
        reply = await asyncio.wait_for(reader.read(), 30)
        writer.close()
    assert reply.startswith(b"HTTP/1.1 408 ")


async def test_routes_and_methods_that_are_not_there_are_told_in_the_same_shape() -> None:
    async with running() as http:
        gone, wrong = await http.get("/v1/nothing"), await http.get("/v1/score")
    assert (gone.status_code, error_of(gone)["code"]) == (404, "not_found")
    assert (wrong.status_code, error_of(wrong)["code"]) == (405, "method_not_allowed")


async def test_the_model_is_listed_and_found() -> None:
    async with running() as http:
        listed = (await http.get("/v1/models")).json()
        found, missing = await http.get("/v1/models/fake"), await http.get("/v1/models/other")
    assert [m["id"] for m in listed["data"]] == ["fake"]
    assert found.json() == listed["data"][0]
    assert (missing.status_code, error_of(missing)["code"]) == (404, "model_not_found")


async def test_a_model_that_is_not_loaded_yet_is_alive_and_not_ready() -> None:
    host = FakeHost(loaded=asyncio.Event())
    async with running(host, loaded=False) as http:
        assert (await http.get("/health")).status_code == 200
        assert (await http.head("/health")).status_code == 200
        waiting = await http.get("/ready")
        assert (waiting.status_code, waiting.json()) == (503, {"status": "starting"})
        early = await score(http, item("a"))
        assert (early.status_code, early.headers["retry-after"], error_of(early)["code"]) == (503, "1", "starting")
        assert host.loaded
        host.loaded.set()
        await ready(http)
        assert (await score(http, item("a"))).status_code == 200
    assert host.closed == 1


async def test_a_model_that_cannot_be_loaded_is_tried_again() -> None:
    host = FakeHost(failures=3)
    async with running(host) as http:
        assert (await score(http, item("a"))).status_code == 200
    assert host.closed == 4


async def test_a_server_that_stops_while_it_loads_closes_what_it_has() -> None:
    host = FakeHost(loaded=asyncio.Event())
    async with running(host, loaded=False) as http:
        assert (await http.get("/ready")).status_code == 503
    assert host.closed == 1


async def test_a_full_queue_is_refused_with_a_time_to_come_back() -> None:
    host = FakeHost()
    async with running(host) as http:
        host.gate = asyncio.Event()
        host.arrived.clear()
        first = asyncio.create_task(score(http, item("a" * 300)))  # more than a batch: it is read alone
        await asyncio.wait_for(host.arrived.wait(), 30)
        second = asyncio.create_task(score(http, item("b" * 150)))
        await until(http, "cogitate_prm_queue_tokens", 150)
        refused = await score(http, item("c" * 150))
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        assert error_of(refused) == {
            "message": "The queue is full.",
            "type": "overloaded_error",
            "param": None,
            "code": "queue_full",
        }
        host.gate.set()
        assert [(await r).status_code for r in (first, second)] == [200, 200]
        assert await metric(http, "cogitate_prm_requests_total", outcome="overloaded") == 1
        assert (await score(http, item("c" * 150))).status_code == 200


async def test_a_client_that_leaves_in_mid_wait_is_not_read_for() -> None:
    host = FakeHost()
    async with running(host) as http:
        host.gate = asyncio.Event()
        host.arrived.clear()
        stays = asyncio.create_task(score(http, item("a")))
        await asyncio.wait_for(host.arrived.wait(), 30)
        body = json.dumps({"items": [item("left alone"), item("too")]}).encode()
        _, writer = await asyncio.open_connection(http.base_url.host, http.base_url.port)
        writer.write(b"POST /v1/score HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        await until(http, "cogitate_prm_queue_items", 2)
        writer.transport.abort()
        await until(http, "cogitate_prm_requests_total", 1, outcome="cancelled")
        assert await metric(http, "cogitate_prm_queue_items") == 0
        host.gate.set()
        assert (await stays).status_code == 200
    assert sum(map(len, host.batches)) == 2  # the trial, and what stayed


async def test_a_client_that_leaves_while_it_sends_is_no_fault() -> None:
    async with running() as http:
        _, writer = await asyncio.open_connection(http.base_url.host, http.base_url.port)
        writer.write(b"POST /v1/score HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{")
        await writer.drain()
        writer.close()
        await until(http, "cogitate_prm_requests_total", 1, outcome="cancelled")


async def test_a_model_that_fails_is_a_502_and_the_next_request_is_served() -> None:
    host = FakeHost()
    async with running(host) as http:
        host.fault = RuntimeError("a secret of the house")
        failed = await score(http, item("a"))
        host.fault = None
        assert (failed.status_code, error_of(failed)["code"]) == (502, "model_failed")
        assert "secret" not in failed.text
        assert (await score(http, item("a"))).status_code == 200
        assert await metric(http, "cogitate_prm_requests_total", outcome="model") == 1
        assert await metric(http, "cogitate_prm_batch_failures_total") >= 1


async def test_an_item_the_model_has_no_number_for_costs_only_itself() -> None:
    async with running() as http:
        data = (await score(http, item("fine"), item("☠"))).json()["data"]
        assert await metric(http, "cogitate_prm_items_total", ok="false") == 1
    assert "rewards" in data[0]
    assert data[1]["error"]["code"] == "model_failed"


async def test_a_fault_of_ours_is_told_without_its_details(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a secret of the house")

    async with running() as http:
        monkeypatch.setattr("server.prm.schemas.reply", broken)
        reply = await score(http, item("a"))
        assert (reply.status_code, error_of(reply)["code"]) == (500, "internal_error")
        assert "secret" not in reply.text
        assert await metric(http, "cogitate_prm_requests_total", outcome="internal") == 1


async def test_a_fault_can_be_looked_up_in_the_log_by_the_id_the_client_was_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError

    async with running() as http:
        assert (await http.get("/health")).headers["x-request-id"].startswith("req_")
        monkeypatch.setattr("server.prm.schemas.reply", broken)
        reply = await http.post("/v1/score", json={"items": [item("a")]}, headers={"x-request-id": "abc"})
    assert reply.headers["x-request-id"] == "abc"
    assert "abc" in error_of(reply)["message"]
    assert "request abc failed" in caplog.text


async def test_requests_that_come_together_share_batches() -> None:
    host = FakeHost()
    async with running(host, replace(LIMITS, wait=0.2)) as http:
        replies = await asyncio.gather(*(score(http, item(f"step {i}")) for i in range(8)))
        for i, reply in enumerate(replies):
            assert reply.json()["data"][0]["rewards"] == pytest.approx(truth(PROBLEM, (f"step {i}",)))
        assert len(host.batches) <= 3  # the trial among them
        assert await metric(http, "cogitate_prm_tokens_total") == await metric(
            http, "cogitate_prm_computed_tokens_total"
        )
        assert await metric(http, "cogitate_prm_batch_items_sum") == 9
        assert await metric(http, "cogitate_prm_request_duration_seconds_count") == 8
