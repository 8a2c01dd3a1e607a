"""What the host holds in memory: how much at a time, for how long, and that nothing bad stays."""

import asyncio
import logging
import threading
import weakref
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from server.prm.hosts import room, transformers
from server.prm.hosts.transformers import TransformersOptions
from server.prm.ports import HostError, Passage
from server.prm.prefixes import PrefixTree

from .test_transformers import OPTIONS, STEM, Folder, computed, hosting, passage, same

LONG = tuple(i * 7 % 50 + 10 for i in range(100))


@pytest.fixture
def masks(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """The shapes of the masks of all passes, (new tokens, tokens they see), once a host has started."""
    shapes, real = list[tuple[int, int]](), transformers.compute

    def noted(decoder: Any, *arguments: Any) -> int:
        def forward(**given: Any) -> Any:
            shapes.append(tuple(given["attention_mask"].shape[2:]))
            return decoder(**given)

        wrapped: Any = type("Noted", (), {"device": decoder.device, "dtype": decoder.dtype})
        wrapped.__call__ = lambda _, **given: forward(**given)
        return real(wrapped(), *arguments)

    monkeypatch.setattr(transformers, "compute", noted)
    return shapes


@pytest.mark.parametrize("family", ["qwen", "implicit"])
@pytest.mark.parametrize("cache_tokens", [0, 30, 1000])
async def test_a_passage_longer_than_a_pass_is_computed_in_parts_and_its_mask_is_not_square(
    made: Folder, masks: list[tuple[int, int]], family: str, cache_tokens: int
) -> None:
    asked = [passage(*LONG, reads=range(1, 100)), passage(*LONG[:60], 70, 71)]
    options = TransformersOptions(threads=1, batch_tokens=16, cache_tokens=cache_tokens)
    async with hosting(made(family), family, options) as host, hosting(made(family), family) as fresh:
        readings = await host.read(asked)
        assert max(new for new, _ in masks) <= 16
        assert max(all_ for _, all_ in masks) <= 100
        assert same(readings, await fresh.read(asked))
        again = await host.read(asked)
        assert same(readings, again)
        if cache_tokens == 1000:
            assert sum(computed(readings)) == 102
            assert computed(again) == [0, 0]
        assert host.cached <= cache_tokens


async def test_what_a_long_passage_adds_to_a_known_beginning_is_all_it_costs(
    made: Folder, masks: list[tuple[int, int]]
) -> None:
    options = TransformersOptions(threads=1, batch_tokens=16)
    async with hosting(made("qwen"), options=options) as host:
        await host.read([passage(*LONG[:50])])
        masks.clear()
        assert computed(await host.read([passage(*LONG)])) == [50]
        assert masks == [(16, 66), (16, 82), (16, 98), (2, 100)]


async def test_siblings_share_a_pass_however_long_their_common_beginning_is(
    made: Folder, masks: list[tuple[int, int]]
) -> None:
    options = TransformersOptions(threads=1, batch_tokens=26)  # four times that are looked at
    async with hosting(made("qwen"), options=options) as host:
        await host.read([passage(*LONG[:90])])
        masks.clear()
        await host.read([passage(*LONG[:90], i) for i in range(10, 24)])
        assert masks == [(14, 104)]


async def test_who_leaves_ends_a_long_passage_after_the_present_part(
    made: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, may_go, real, passes = threading.Event(), threading.Event(), transformers.compute, list[int]()

    def counted(*arguments: Any) -> int:
        passes.append(1)
        begun.set()
        assert may_go.wait(10)
        return real(*arguments)

    async with hosting(made("qwen"), options=replace(OPTIONS, batch_tokens=10)) as host:
        monkeypatch.setattr(transformers, "compute", counted)
        reading = asyncio.create_task(host.read([passage(*LONG)]))
        await asyncio.to_thread(begun.wait)
        reading.cancel()
        await asyncio.wait([reading])
        may_go.set()
        await host.read([passage(10)])
        assert len(passes) == 2
        assert host.cached == 11 - 1 * (LONG[0] == 10)


@pytest.mark.parametrize("where", ["hidden", "attention"])
async def test_numbers_that_are_not_finite_are_not_kept(
    made: Folder, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    real = transformers.compute

    def spoilt(decoder: Any, paths: Any, width: int) -> int:
        count = real(decoder, paths, width)
        getattr(paths[0][0].block, where).fill_(torch.nan)
        return count

    more = passage(*STEM, 40, 41)
    async with hosting(made("qwen")) as host, hosting(made("qwen")) as fresh:
        with monkeypatch.context() as patch:
            patch.setattr(transformers, "compute", spoilt)
            first = await host.read([passage(*STEM)])
        assert np.isfinite(first[0].values).all() == (where == "attention")
        await host.read([more])  # which hears of bad keys only now
        await host.read([passage(*STEM)])
        readings = await host.read([passage(*STEM), more])
        assert same(readings, await fresh.read([passage(*STEM), more]))
        assert computed(await host.read([more])) == [0]


async def test_a_model_that_overflows_is_named_as_such(made: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    real = transformers.load

    def overflowing(*arguments: Any) -> Any:
        model = real(*arguments)
        with torch.no_grad():
            model.decoder.norm.weight.fill_(torch.inf)
        return model

    monkeypatch.setattr(transformers, "load", overflowing)
    with pytest.raises(HostError, match=r"overflows in torch\.float32"):
        async with hosting(made("qwen")):
            pass


async def test_after_a_failure_nothing_of_it_is_in_memory(made: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    states, real = list[weakref.ref[Any]](), transformers.compute

    def out_of_memory(decoder: Any, paths: Any, width: int) -> int:
        real(decoder, paths, width)
        blocks = [node.block for path in paths for node in path]
        states.extend(weakref.ref(block.hidden) for block in blocks)
        raise torch.OutOfMemoryError("no memory")

    async with hosting(made("qwen")) as host:
        await host.read([passage(*STEM)])
        await host.read([passage(*STEM[:9], 40), passage(*STEM, 41)])
        with monkeypatch.context() as patch:
            patch.setattr(transformers, "compute", out_of_memory)
            with pytest.raises(HostError, match="no memory"):
                await host.read([passage(*STEM, 42), passage(*STEM[:9], 40, 43)])
        assert len(states) >= 5
        assert [state() for state in states] == [None] * len(states)


def test_a_tree_that_is_cleared_holds_nothing() -> None:
    class Block:
        def cut(self, start: int, stop: int) -> "Block":
            del start, stop
            return Block()

    tree = PrefixTree[Block](100)

    def fill(tokens: tuple[int, ...]) -> list[weakref.ref[Block]]:
        tree.insert(tokens)
        for node in (path := tree.path(tokens)):
            node.block = node.block or Block()
        return [weakref.ref(node.block) for node in path if node.block]

    blocks = [block for tokens in ((1, 2, 3), (1, 2, 3, 4, 5), (1, 2, 3, 4, 6), (7,)) for block in fill(tokens)]
    assert None not in [block() for block in blocks[-3:]]
    tree.clear()
    assert [block() for block in blocks] == [None] * len(blocks)
    assert tree.insert((1, 2, 3, 4)) == 4


async def test_a_cpu_keeps_a_fixed_number_and_says_so(made: Folder, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with hosting(made("qwen")):
        assert "qwen keeps what it computed for 32768 tokens" in caplog.messages


@pytest.mark.parametrize(("free", "share", "tokens"), [(100 * 2048, 0.5, 50), (100 * 2048, 0.25, 25), (10, 0.5, 1)])
async def test_a_gpu_keeps_what_a_share_of_its_free_memory_holds(
    made: Folder, monkeypatch: pytest.MonkeyPatch, free: int, share: float, tokens: int
) -> None:
    # 3 layers of keys and values of 64 numbers, and a hidden state of 128, 4 bytes each: 2,048 a token.
    monkeypatch.setattr(room, "_free", lambda _: free)
    options = TransformersOptions(threads=1, memory_share=share)
    async with hosting(made("qwen"), options=options) as host:
        await host.read([passage(*LONG, reads=(i,)) for i in range(3)])
        await host.read([Passage((i, *LONG[:20]), (0,), ((0, 1),)) for i in range(9, 20)])
        assert host.cached <= tokens
        assert (await host.read([passage(5)]))[0].values.shape == (1, 2)
        assert host._tree._limit == tokens


def test_free_memory_is_asked_of_the_gpu_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (5, 10))
    assert room._free(torch.device("cpu")) is None
    assert room._free(torch.device("cuda")) == 5
