"""What is no part of a request: replicas as their pools see them, and how full the server is."""

import asyncio
import logging
from collections.abc import AsyncGenerator

import pytest

from router.testing import FakeGenerator
from server.admission import Admission, Ticket
from server.gateway import Condition, Model
from server.observers import Metrics
from server.settings import Settings
from server.upstream import Pool, PoolOptions, Unreachable
from server.wiring import watching
from server.wiring.models import Served, models_of
from server.wiring.watching import Watching
from tests.server.observers.exposition import Scrape

POOL = {"model": "math", "role": "generator"}


class Load:
    """A server that is as full as it is told to be, and counts how often it is looked at."""

    waiting, capacity = 2, 64

    def __init__(self, failing: int = 0) -> None:
        self.looks, self.enough = 0, asyncio.Event()
        self._failing = failing

    @property
    def load(self) -> float:
        self.looks += 1
        if self.looks <= self._failing:
            raise RuntimeError("not now")
        if self.looks > self._failing + 1:
            self.enough.set()
        return 12.5


async def nothing() -> None:
    pass


@pytest.fixture
async def pool() -> AsyncGenerator[Pool]:
    pool = Pool("math", ["http://10.0.0.1:1", "http://10.0.0.2:1"], options=PoolOptions(health_seconds=0))
    await pool.start()
    yield pool
    await pool.aclose()


def watched(pool: Pool, load: watching.Load) -> Watching:
    metrics = Metrics("1")
    metrics.serves("math", "default")
    model = Model("math", FakeGenerator(lambda _t, _s: "x"), None, condition=lambda: Condition(up=pool.healthy > 1))
    return Watching(metrics, [Served(model, nothing, nothing, {"generator": pool})], load)


async def test_a_scrape_shows_how_everything_is_now(pool: Pool) -> None:
    watching = watched(pool, Load())
    scrape = Scrape(watching.exposed())
    assert scrape("cogitate_replicas", state="up", **POOL) == 2
    assert scrape("cogitate_model_up", model="math") == 1
    with pytest.raises(Unreachable), pool.lease(b"key", 4):
        raise Unreachable("nobody there", connecting=True)
    scrape = Scrape(watching.exposed())
    assert [scrape("cogitate_replicas", state=s, **POOL) for s in ("up", "ejected", "dead")] == [1, 1, 0]
    assert scrape("cogitate_ejections_total", reason="failed", **POOL) == 1
    assert scrape("cogitate_model_up", model="math") == 0
    names = ("cogitate_samples_in_flight", "cogitate_queue_requests", "cogitate_capacity_samples")
    assert [scrape(name) for name in names] == [12.5, 2, 64]


async def test_the_real_admission_can_be_looked_at(pool: Pool) -> None:
    admission = Admission(capacity=64, requests=8, waiting=8, patience=1.0)
    watching = watched(pool, admission)
    async with admission.enter(Ticket(kind="k", key="", samples=16, least=1, priority=1)):
        within = Scrape(watching.exposed())
    after = Scrape(watching.exposed())
    assert within("cogitate_samples_in_flight") > after("cogitate_samples_in_flight") == 0
    assert after("cogitate_capacity_samples") == 64


async def test_it_looks_again_and_again_though_a_look_may_fail(
    pool: Pool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(watching, "_PERIOD", 0)
    load = Load(failing=1)
    before = asyncio.all_tasks()
    with caplog.at_level(logging.ERROR):
        async with watched(pool, load).running():
            await asyncio.wait_for(load.enough.wait(), 10)
    assert len(caplog.records) == 1
    assert asyncio.all_tasks() == before


def test_models_tell_which_pools_they_have() -> None:
    remote = {"name": "large", "generators": ["http://a"], "scorers": ["http://b"]}
    alone = {"name": "small", "generators": ["http://a"]}
    large, small, embedded = models_of(Settings.model_validate({"models": [remote, alone, {"name": "tiny"}]}))
    assert {role: pool.name for role, pool in large.pools.items()} == {
        "generator": "large generators",
        "scorer": "large scorers",
    }
    assert (small.pools.keys(), embedded.pools) == ({"generator"}, {})
