import asyncio
import gc
import threading
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace

import numpy as np
import pytest
import pytest_asyncio

from router.ports import Tally
from server.embedded.engine import Engine, EngineError
from server.embedded.llama import Llama
from server.embedded.orders import Completion, Passage, Request

REQUEST = Request((1, 3, 50, 60, 70, 4), (0,), temperature=1.0, top_p=1.0, max_tokens=12)


class BreakableModel:
    """The real model until it is told to break."""

    def __init__(self, model: Llama) -> None:
        self.config, self.parameters, self.logits = model.config, model.parameters, model.logits
        self._forward = model.forward
        self.broken = False

    def forward(self, *arguments: np.ndarray) -> np.ndarray:
        if self.broken:
            raise MemoryError("no room for the weights of the world")
        return self._forward(*arguments)


@pytest.fixture
def breakable(model: Llama) -> BreakableModel:
    return BreakableModel(model)


@pytest_asyncio.fixture
async def engine(breakable: BreakableModel) -> AsyncIterator[Engine]:
    engine = Engine(breakable, max_rows=64)  # pyright: ignore[reportArgumentType]
    engine.start()
    yield engine
    await engine.aclose()


async def run(engine: Engine, request: Request, tally: Tally | None = None) -> list[Completion]:
    found = {index: completion async for index, completion in engine.generate(request, tally or Tally())}
    return [found[index] for index in sorted(found)]


async def test_a_hundred_tasks_get_what_each_would_get_alone(engine: Engine):
    requests = [replace(REQUEST, tokens=(1, 3, 20 + i % 9, 4), seeds=(i, i + 1)) for i in range(100)]
    together = await asyncio.gather(*(run(engine, request) for request in requests))
    for request, completions in zip(requests[::17], together[::17], strict=True):
        alone = await run(engine, request)
        assert [completion.ids for completion in alone] == [completion.ids for completion in completions]
    assert all(len(completions) == 2 for completions in together)


async def test_scores_equal_the_log_probabilities_of_generation(engine: Engine):
    completions = await run(engine, replace(REQUEST, seeds=tuple(range(8)), max_tokens=40))
    passages = [Passage(REQUEST.tokens + completion.ids, len(REQUEST.tokens)) for completion in completions]
    judgement = await engine.score(passages)
    for completion, logprobs in zip(completions, judgement.logprobs, strict=True):
        np.testing.assert_allclose(logprobs, completion.logprobs, atol=1e-4)


async def test_scoring_can_use_what_generation_has_cached(engine: Engine):
    (probe,) = await run(engine, REQUEST)
    (step,) = await run(engine, replace(REQUEST, step_end=probe.ids[7]))
    judgement = await engine.score([Passage(REQUEST.tokens + step.ids, len(REQUEST.tokens))])
    assert judgement.tokens <= 2, "the last token, and the one before it that predicts it"
    np.testing.assert_allclose(judgement.logprobs[0], step.logprobs, atol=1e-4)


async def test_closing_the_iterator_stops_the_work_and_the_charge(engine: Engine):
    tally, started = Tally(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def watch(_token: int) -> bool:
        loop.call_soon_threadsafe(started.set)
        return False

    endless = replace(REQUEST, seeds=tuple(range(40)), max_tokens=90, watches=(watch,) * 40)
    async with aclosing(engine.generate(endless, tally)) as completions:
        pending = asyncio.ensure_future(anext(completions))
        await started.wait()
        pending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await pending
    await run(engine, REQUEST)  # the engine has stepped since
    charged = tally.tokens
    assert 0 < charged < 40 * 90
    await run(engine, REQUEST)
    assert tally.tokens == charged


async def test_leaving_the_loop_early_frees_the_rows(engine: Engine):
    async with aclosing(engine.generate(replace(REQUEST, seeds=tuple(range(64))), Tally())) as completions:
        async for _ in completions:
            break
    await run(engine, REQUEST)
    assert engine.live == 0


async def test_a_cancelled_score_leaves_the_engine_working(engine: Engine):
    task = asyncio.create_task(engine.score([Passage((1, 3, 4, *range(10, 60)), 3)] * 30))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len((await engine.score([Passage((1, 3, 4, 9), 3)])).logprobs) == 1


async def test_a_failure_reaches_everyone_and_the_engine_recovers(engine: Engine, breakable: BreakableModel):
    breakable.broken = True
    calls = [run(engine, replace(REQUEST, seeds=(i,))) for i in range(5)]
    calls += [engine.score([Passage((1, 3, 4, 9), 3)]) for _ in range(3)]
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert all(isinstance(result, EngineError) and "no room" in str(result) for result in results)
    breakable.broken = False
    assert len(await run(engine, REQUEST)) == 1


async def test_closing_fails_those_who_wait(engine: Engine):
    waiting = asyncio.create_task(run(engine, replace(REQUEST, seeds=tuple(range(64)), max_tokens=90)))
    await asyncio.sleep(0)
    await engine.aclose()
    with pytest.raises(EngineError, match="closed"):
        await waiting


async def test_an_engine_that_is_not_running_says_so(model: Llama):
    engine = Engine(model)
    with pytest.raises(EngineError, match="not running"):
        await run(engine, REQUEST)
    await engine.aclose()
    engine.start()
    await engine.aclose()
    await engine.aclose()
    with pytest.raises(EngineError, match="not running"):
        await engine.score([Passage((1, 3, 4), 2)])


@pytest.mark.parametrize(
    "changes",
    [
        {"tokens": ()},
        {"tokens": (1, -1)},
        {"tokens": (768,)},
        {"tokens": (1,) * 97},
        {"temperature": float("nan")},
        {"temperature": float("inf")},
        {"temperature": -1.0},
        {"top_p": 1.5},
    ],
)
async def test_a_request_that_makes_no_sense_is_refused_alone(engine: Engine, changes: dict[str, object]):
    other = asyncio.create_task(run(engine, REQUEST))
    with pytest.raises(EngineError):
        await run(engine, replace(REQUEST, **changes))
    assert len(await other) == 1


@pytest.mark.parametrize("passage", [Passage((), 1), Passage((1, 3), 0), Passage((1, 999), 1)])
async def test_a_passage_that_makes_no_sense_is_refused(engine: Engine, passage: Passage):
    with pytest.raises(EngineError):
        await engine.score([passage])


async def test_no_samples_are_no_work(engine: Engine):
    assert await run(engine, replace(REQUEST, seeds=())) == []


async def test_a_tiny_temperature_is_almost_greedy(engine: Engine):
    cold = await run(engine, replace(REQUEST, temperature=1e-37, seeds=(1, 2, 3)))
    (greedy,) = await run(engine, replace(REQUEST, temperature=0.0))
    assert {completion.ids for completion in cold} == {greedy.ids}


async def test_closing_ends_the_thread(model: Llama):
    engine = Engine(model, name="to be ended")
    engine.start()
    await run(engine, REQUEST)
    assert any(thread.name == "to be ended" for thread in threading.enumerate())
    await engine.aclose()
    assert not any(thread.name == "to be ended" for thread in threading.enumerate())


async def test_a_thousand_requests_leave_nothing_behind(engine: Engine):
    async def some() -> None:
        for i in range(20):
            await run(engine, replace(REQUEST, tokens=(1, 3, 8 + i, 4), seeds=(i, i + 1, i + 2), max_tokens=2))

    await some()
    gc.collect()
    before, held, tasks = len(gc.get_objects()), engine.prefixes.nbytes, len(asyncio.all_tasks())
    for _ in range(5):
        await asyncio.gather(*(some() for _ in range(10)))
    gc.collect()
    assert len(gc.get_objects()) - before < 1000
    assert engine.prefixes.nbytes == held
    assert len(asyncio.all_tasks()) == tasks


def test_two_event_loops_can_share_an_engine(model: Llama):
    engine = Engine(model)
    engine.start()
    first = asyncio.run(run(engine, REQUEST))
    second = asyncio.run(run(engine, REQUEST))
    assert first[0].ids == second[0].ids
    asyncio.run(engine.aclose())


def test_a_loop_that_dies_with_requests_under_way_does_no_harm(model: Llama):
    engine = Engine(model)
    engine.start()
    loop = asyncio.new_event_loop()
    task = loop.create_task(run(engine, replace(REQUEST, seeds=tuple(range(64)), max_tokens=80)))
    loop.run_until_complete(asyncio.sleep(0))
    task.cancel()
    loop.run_until_complete(asyncio.gather(task, return_exceptions=True))
    loop.close()
    assert len(asyncio.run(run(engine, REQUEST))) == 1
    asyncio.run(engine.aclose())


async def test_the_event_loop_goes_on_while_the_engine_computes(engine: Engine):
    longest, running = 0.0, True
    loop = asyncio.get_running_loop()

    async def tick() -> None:
        nonlocal longest
        while running:
            start = loop.time()
            await asyncio.sleep(0)
            longest = max(longest, loop.time() - start)

    ticking = asyncio.create_task(tick())
    await run(engine, replace(REQUEST, seeds=tuple(range(64)), max_tokens=20))
    running = False
    await ticking
    assert longest < 0.5
