import asyncio
import threading
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from server.prm.batching import BatchLimits, QueueFull
from server.prm.ports import Floats, HostError, Item, Passage, TooLong, Unusable
from server.prm.scoring import Judge, Judged

from .fakes import Ear, FakeFamily, FakeHost, truth

LIMITS = BatchLimits(items=8, tokens=10_000, wait=0.0, queue_tokens=100)


@asynccontextmanager
async def judging(
    host: FakeHost | None = None, family: FakeFamily | None = None, limits: BatchLimits = LIMITS
) -> AsyncGenerator[Judge]:
    judge = Judge(family or FakeFamily(), host or FakeHost(), limits, Ear())
    await judge.open()
    yield judge
    await judge.aclose()


def item(*steps: str, **fields: Any) -> Item:
    return Item("2 + 3?", steps, **fields)


async def test_every_step_gets_its_reward_and_the_tokens_are_told() -> None:
    async with judging() as judge:
        outcome = (await judge.judge([item("a", "bb", "ccc")]))[0]
    assert isinstance(outcome, Judged)
    assert outcome.rewards == pytest.approx(truth("2 + 3?", ("a", "bb", "ccc")))
    assert (outcome.total, outcome.computed) == (12, 12)


async def test_many_items_come_back_in_order() -> None:
    items = [item(*(["ab" * i] * (i % 3 + 1))) for i in range(1, 60)]
    async with judging() as judge:
        outcomes = await judge.judge(items)
    for asked, outcome in zip(items, outcomes, strict=True):
        assert isinstance(outcome, Judged)
        assert outcome.rewards == pytest.approx(truth(asked.problem, asked.steps))


async def test_an_item_that_cannot_be_judged_costs_only_itself() -> None:
    items = [item("a"), item("enormous"), item("a <sep> b"), item("☠"), item("crash"), item("b" * 5000), item("z")]
    async with judging() as judge:
        outcomes = await judge.judge(items)
    kinds = [Judged, TooLong, ValueError, Unusable, HostError, TooLong, Judged]
    assert [type(o) for o in outcomes] == kinds
    assert isinstance(outcomes[5], TooLong)
    assert (outcomes[5].tokens, outcomes[5].most) == (5006, 4096)


async def test_the_bound_of_an_item_is_kept_to_the_token() -> None:
    async with judging() as judge:
        outcomes = await judge.judge([item("abcd", max_tokens=10), item("abcde", max_tokens=10)])
    assert [type(o) for o in outcomes] == [Judged, TooLong]


async def test_what_cannot_fit_is_refused_before_its_tokens_are_counted() -> None:
    laid_out = list[Item]()

    class Noting(FakeFamily):
        def lay_out(self, item: Item) -> Passage:
            laid_out.append(item)
            return super().lay_out(item)

    async with judging(FakeHost(context=100), Noting()) as judge:
        laid_out.clear()
        outcomes = await judge.judge(
            [item("a"), item("b" * 1000, "c" * 600), Item("d" * 1700, ("e",)), item("f" * 200)]
        )
    assert [type(o) for o in outcomes] == [Judged, TooLong, TooLong, TooLong]
    assert [o.steps[-1][:1] for o in laid_out] == ["a", "f"]
    assert [str(o) for o in outcomes[1:]] == [
        "the item has more than 100 tokens, at most 100 are allowed",
        "the item has more than 100 tokens, at most 100 are allowed",
        "the item has 206 tokens, at most 100 are allowed",
    ]


async def test_long_items_do_not_hold_up_a_short_one_that_came_later() -> None:
    order, begun, may_go = list[str](), threading.Event(), threading.Event()

    class Slow(FakeFamily):
        def lay_out(self, item: Item) -> Passage:
            order.append(item.steps[0][:1])
            if item.steps[0][0] == "a" and not begun.is_set():
                begun.set()
                assert may_go.wait(10)
            return super().lay_out(item)

    async with judging(FakeHost(context=100_000), Slow(), replace(LIMITS, queue_tokens=10**7)) as judge:
        order.clear()
        tasks = [asyncio.create_task(judge.judge([item("a" * 50_000) for _ in range(8)]))]
        await asyncio.to_thread(begun.wait)
        tasks.append(asyncio.create_task(judge.judge([item("b")])))
        await asyncio.sleep(0)
        may_go.set()
        await asyncio.gather(*tasks)
    assert "".join(order) == "abaaaaaaa"


async def test_what_was_computed_is_never_more_than_the_text() -> None:
    class Double(FakeHost):
        async def read(self, passages: Any) -> Any:
            readings = await super().read(passages)
            return [type(r)(r.values, 2 * r.computed) for r in readings]

    async with judging(Double()) as judge:
        outcome = (await judge.judge([item("abcd")]))[0]
    assert isinstance(outcome, Judged)
    assert outcome.computed == outcome.total == 10


@pytest.mark.parametrize("rewards", [(), (0.5, 0.5), (1.5,), (-0.1,), (float("nan"),)])
async def test_a_family_that_gives_no_rewards_is_found_out(rewards: tuple[float, ...]) -> None:
    class Odd(FakeFamily):
        def rewards(self, passage: Passage, values: Floats) -> tuple[float, ...]:
            return super().rewards(passage, values) if len(passage.tokens) > 20 else rewards

    async with judging(family=Odd()) as judge:
        assert isinstance((await judge.judge([item("a")]))[0], Unusable)


async def test_a_model_that_cannot_judge_a_single_step_does_not_open() -> None:
    judge = Judge(FakeFamily(), FakeHost(context=3), LIMITS, Ear())
    with pytest.raises(HostError, match="single step"):
        await judge.open()
    await judge.aclose()


async def test_a_full_queue_refuses_before_anything_is_laid_out() -> None:
    host, family = FakeHost(), FakeFamily()
    async with judging(host, family) as judge:
        host.gate = asyncio.Event()
        host.arrived.clear()
        first = asyncio.create_task(judge.judge([item("a")]))
        await host.arrived.wait()
        waiting = asyncio.create_task(judge.judge([item("b" * 200)]))  # more than the queue has room for, but alone
        async with asyncio.timeout(5):
            while not judge.queued:  # noqa: ASYNC110 - it is laid out in a thread first
                await asyncio.sleep(0)
        family.forbidden = "a"
        with pytest.raises(QueueFull):
            await judge.judge([item("a")])
        host.gate.set()
        assert all(isinstance(o, Judged) for o in [*await first, *await waiting])


async def test_nothing_is_read_where_nothing_can_be() -> None:
    async with judging() as judge:
        assert [type(o) for o in await judge.judge([item("enormous")])] == [TooLong]
