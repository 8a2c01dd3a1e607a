"""How the host works: what it computes, what it keeps, what it refuses, and that it never blocks the loop."""

import asyncio
import gc
import threading
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from server.prm.families import load_family
from server.prm.hosts import transformers
from server.prm.hosts.transformers import TransformersHost, TransformersOptions
from server.prm.ports import ClassLogits, HostError, Passage, Reading, TokenLogits, TokenLogprobs, TooLong

Folder = Callable[[str], Path]
OPTIONS = TransformersOptions(threads=1)


@asynccontextmanager
async def hosting(
    folder: Path, family: str = "qwen", options: TransformersOptions = OPTIONS
) -> AsyncGenerator[TransformersHost]:
    host = TransformersHost(folder, load_family(family, folder).head, options)
    try:
        await host.start()
        yield host
    finally:
        await host.aclose()


def passage(*tokens: int, reads: Sequence[int] | None = None) -> Passage:
    return Passage(tokens, tuple(reads or (len(tokens) - 1,)), ((0, 1),))


def computed(readings: Sequence[Reading]) -> list[int]:
    return [reading.computed for reading in readings]


def same(a: Sequence[Reading], b: Sequence[Reading]) -> bool:
    return all(np.allclose(x.values, y.values, rtol=1e-4, atol=1e-5) for x, y in zip(a, b, strict=True))


STEM = tuple(range(10, 30))


@pytest.mark.parametrize("family", ["qwen", "implicit"])
class TestIncremental:
    async def test_an_extension_computes_its_new_tokens_only(self, made: Folder, family: str) -> None:
        async with hosting(made(family), family) as host:
            assert computed(await host.read([passage(*STEM)])) == [20]
            assert computed(await host.read([passage(*STEM, 40, 41, reads=(10, 20, 21))])) == [2]
            assert computed(await host.read([passage(*STEM, 40, 41, 42)])) == [1]
            assert host.cached == 23

    async def test_what_is_known_costs_nothing(self, made: Folder, family: str) -> None:
        async with hosting(made(family), family) as host:
            first = await host.read([passage(*STEM)])
            again = await host.read([passage(*STEM)])
            assert computed(again) == [0]
            assert np.array_equal(first[0].values, again[0].values)

    async def test_a_shorter_passage_of_a_known_one_costs_nothing(self, made: Folder, family: str) -> None:
        async with hosting(made(family), family) as host, hosting(made(family), family) as fresh:
            await host.read([passage(*STEM)])
            readings = await host.read([passage(*STEM[:7], reads=(3, 6))])
            assert computed(readings) == [0]
            assert same(readings, await fresh.read([passage(*STEM[:7], reads=(3, 6))]))

    async def test_siblings_share_their_beginning_in_one_batch(self, made: Folder, family: str) -> None:
        siblings = [passage(*STEM, 40, i, i + 1) for i in (50, 60, 70, 50)]
        async with hosting(made(family), family) as host, hosting(made(family), family) as fresh:
            readings = await host.read(siblings)
            assert sum(computed(readings)) == 21 + 3 * 2
            assert same(readings, [(await fresh.read([sibling]))[0] for sibling in siblings])

    async def test_a_place_is_read_late_if_nobody_asked_before(self, made: Folder, family: str) -> None:
        async with hosting(made(family), family) as host, hosting(made(family), family) as fresh:
            await host.read([passage(*STEM)])
            late = passage(*STEM, reads=range(1, 20))
            readings = await host.read([late])
            assert computed(readings) == [0]
            assert same(readings, await fresh.read([late]))

    async def test_a_passage_that_parts_from_a_known_one_is_read_at_the_fork(self, made: Folder, family: str) -> None:
        fork = passage(*STEM[:8], 50, 51, reads=(7, 8, 9))
        async with hosting(made(family), family) as host, hosting(made(family), family) as fresh:
            await host.read([passage(*STEM)])
            readings = await host.read([fork])
            assert computed(readings) == [2]
            assert same(readings, await fresh.read([fork]))

    async def test_without_a_cache_everything_is_computed_every_time(self, made: Folder, family: str) -> None:
        async with hosting(made(family), family, TransformersOptions(threads=1, cache_tokens=0)) as host:
            for _ in range(2):
                assert computed(await host.read([passage(*STEM), passage(*STEM), passage(*STEM, 40)])) == [20, 20, 21]
            assert host.cached == 0

    async def test_a_small_cache_forgets_and_stays_right(self, made: Folder, family: str) -> None:
        rng = np.random.default_rng(3)
        small = TransformersOptions(threads=1, cache_tokens=30, batch_tokens=25)
        async with hosting(made(family), family, small) as host, hosting(made(family), family) as fresh:
            for _ in range(12):
                batch = [passage(*STEM[: rng.integers(2, 9)], *rng.integers(40, 43, 8).tolist()) for _ in range(5)]
                readings = await host.read(batch)
                assert same(readings, await fresh.read(batch))
                assert all(r.computed <= len(p.tokens) for r, p in zip(readings, batch, strict=True))
                assert host.cached <= 30


async def test_a_batch_larger_than_a_pass_comes_back_in_order(made: Folder) -> None:
    batch = [passage(*(i % 7 + 10 for i in range(length)), length) for length in (90, 3, 60, 1, 40, 90)]
    options = TransformersOptions(threads=1, batch_tokens=64, cache_tokens=0)
    async with hosting(made("qwen"), options=options) as host, hosting(made("qwen")) as fresh:
        readings = await host.read(batch)
        assert computed(readings) == [len(p.tokens) for p in batch]
        assert same(readings, [(await fresh.read([p]))[0] for p in batch])


async def test_nothing_is_asked_and_nothing_read(made: Folder) -> None:
    async with hosting(made("qwen")) as host:
        assert await host.read([]) == []
        (reading,) = await host.read([Passage((10, 11), (), ())])
        assert reading.values.shape == (0, 2)


async def test_it_knows_its_name_and_context(made: Folder) -> None:
    async with hosting(made("qwen")) as host:
        assert (host.name, host.context) == ("qwen", 4096)
    options = TransformersOptions(name="prm", context=64, threads=1)
    async with hosting(made("qwen"), options=options) as host:
        assert (host.name, host.context) == ("prm", 64)


async def test_a_passage_as_long_as_the_context_is_read_and_a_longer_one_is_not_cut(made: Folder) -> None:
    async with hosting(made("qwen"), options=TransformersOptions(context=20, threads=1)) as host:
        assert computed(await host.read([passage(*STEM)])) == [20]
        with pytest.raises(TooLong, match="21 tokens, at most 20"):
            await host.read([passage(*STEM, 40)])


@pytest.mark.parametrize(
    "bad",
    [
        Passage((), (), ()),
        passage(1, 2, -1),
        passage(1, 2, 1_000_000),
        passage(1, 2, reads=(2,)),
        passage(1, 2, reads=(-1,)),
    ],
)
async def test_what_cannot_be_read_is_refused_before_anything_is_computed(made: Folder, bad: Passage) -> None:
    async with hosting(made("qwen")) as host:
        with pytest.raises(HostError, match="passage"):
            await host.read([passage(*STEM), bad])
        assert host.cached == 0


async def test_the_first_token_has_no_probability(made: Folder) -> None:
    async with hosting(made("implicit"), "implicit") as host:
        with pytest.raises(HostError, match="where it has no token"):
            await host.read([passage(10, 11, reads=(0, 1))])


async def test_a_host_that_has_not_started_or_has_ended_says_so(made: Folder) -> None:
    host = TransformersHost(made("qwen"), ClassLogits(), OPTIONS)
    with pytest.raises(HostError, match="not loaded"):
        await host.read([passage(*STEM)])
    await host.start()
    await host.aclose()
    await host.aclose()
    assert host.context == 0
    with pytest.raises(HostError, match="not loaded"):
        await host.read([passage(*STEM)])
    with pytest.raises(HostError, match="cannot be asked"):
        await host.start()


async def test_a_failure_in_the_model_fails_the_batch_and_the_next_one_is_right(
    made: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with hosting(made("qwen")) as host, hosting(made("qwen")) as fresh:

        def out_of_memory(*_: Any) -> int:
            raise torch.OutOfMemoryError("no memory")

        with monkeypatch.context() as patch:
            patch.setattr(transformers, "compute", out_of_memory)
            with pytest.raises(HostError, match="no memory"):
                await host.read([passage(*STEM)])
        readings = await host.read([passage(*STEM)])
        assert computed(readings) == [20]
        assert same(readings, await fresh.read([passage(*STEM)]))


async def test_the_event_loop_runs_while_the_model_does(made: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, may_go, real = threading.Event(), threading.Event(), transformers.compute

    def slow(*arguments: Any) -> int:
        begun.set()
        assert may_go.wait(10)
        return real(*arguments)

    async with hosting(made("qwen")) as host:
        monkeypatch.setattr(transformers, "compute", slow)
        reading = asyncio.create_task(host.read([passage(*STEM)]))
        await asyncio.to_thread(begun.wait)
        assert not reading.done()
        may_go.set()  # only a loop that is not blocked comes to this
        assert computed(await reading) == [20]


@pytest.mark.parametrize("how", ["cancelled", "closed"])
async def test_who_goes_or_closes_ends_the_work_after_the_present_pass(
    made: Folder, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    begun, may_go, real, passes = threading.Event(), threading.Event(), transformers.compute, list[int]()

    def counted(*arguments: Any) -> int:
        passes.append(1)
        begun.set()
        assert may_go.wait(10)
        return real(*arguments)

    options = TransformersOptions(threads=1, batch_tokens=8)
    async with hosting(made("qwen"), options=options) as host:
        monkeypatch.setattr(transformers, "compute", counted)
        reading = asyncio.create_task(host.read([passage(*(i + t for t in range(8))) for i in range(10, 90, 8)]))
        await asyncio.to_thread(begun.wait)
        if how == "cancelled":
            reading.cancel()
            with pytest.raises(asyncio.CancelledError):
                await reading
            may_go.set()
        else:
            closing = asyncio.create_task(host.aclose())
            await asyncio.sleep(0)
            may_go.set()
            with pytest.raises(HostError, match="nobody waits"):
                await reading
            await closing
    assert len(passes) == 1


async def test_its_thread_ends_with_it(made: Folder) -> None:
    async with hosting(made("qwen")) as host:
        await host.read([passage(*STEM)])
        assert any(thread.name.startswith("reward-model") for thread in threading.enumerate())
    gc.collect()
    assert not any(thread.name.startswith("reward-model") for thread in threading.enumerate())


async def test_the_window_of_an_attention_bounds_the_context(made: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    real = transformers.load

    def windowed(*arguments: Any) -> Any:
        model = real(*arguments)
        model.decoder.config.sliding_window = 32
        return model

    monkeypatch.setattr(transformers, "load", windowed)
    async with hosting(made("qwen")) as host:
        assert host.context == 32


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (TransformersOptions(dtype="float33"), "torch has no type 'float33'"),
        (TransformersOptions(dtype="nn"), "torch has no type 'nn'"),
        (TransformersOptions(device="abacus"), "cannot load"),
    ],
)
async def test_a_place_that_does_not_exist_is_an_error(
    made: Folder, options: TransformersOptions, message: str
) -> None:
    host = TransformersHost(made("qwen"), ClassLogits(), options)
    with pytest.raises(HostError, match=message):
        await host.start()
    await host.aclose()


async def test_half_precision_is_near(made: Folder) -> None:
    options = TransformersOptions(threads=1, dtype="bfloat16")
    async with hosting(made("qwen"), options=options) as half, hosting(made("qwen")) as full:
        family = load_family("qwen", made("qwen"))
        batch = [passage(*STEM, i) for i in range(40, 44)]
        halves, fulls = await half.read(batch), await full.read(batch)
        for p, a, b in zip(batch, halves, fulls, strict=True):
            assert family.rewards(p, a.values) == pytest.approx(family.rewards(p, b.values), abs=0.1)


def test_heads_ask_for_what_they_say(made: Folder) -> None:
    assert isinstance(load_family("shepherd", made("shepherd")).head, TokenLogits)
    assert isinstance(load_family("implicit", made("implicit")).head, TokenLogprobs)
