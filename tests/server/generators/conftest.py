import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest_asyncio

from router.ports import Draw, Tally
from router.types import ROOT, Candidate, Message, Problem, Sample
from server.generators import Chat, Dialect, GeneratorOptions, PoolGenerator
from server.upstream import Pool, PoolOptions
from tests.fakes.vllm import FakeVLLM, serving

from .handlers import Handler, Serve, listening

QUESTION = Problem((Message("user", "What is 3 + 4 * 2?"),))

MakeFake = Callable[..., Awaitable[FakeVLLM]]
MakeGenerator = Callable[..., Awaitable[PoolGenerator]]


def ordered(
    count: int = 1,
    *,
    problem: Problem = QUESTION,
    prefix: Candidate = ROOT,
    seed: int = 7,
    most: int = 200,
    whole: bool = True,
    temperature: float = 1.5,
    seconds: float | None = None,
) -> Draw:
    """A draw; `seconds` from now is its deadline."""
    deadline = None if seconds is None else asyncio.get_running_loop().time() + seconds
    return Draw(problem, prefix, count, seed, most, whole, temperature, deadline)


async def drawn(generator: PoolGenerator, draw: Draw, tally: Tally | None = None) -> list[Sample]:
    """All samples of a draw, in the order of their seeds. Each comes at most once."""
    samples = dict[int, Sample]()
    async for index, sample in generator.sample(draw, tally or Tally()):
        assert index not in samples
        samples[index] = sample
    return [samples[index] for index in sorted(samples)]


async def until(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - the condition is another server's
            await asyncio.sleep(0.005)


async def ready(generator: PoolGenerator) -> None:
    await until(lambda: generator.reachable, 10)


@pytest_asyncio.fixture
async def make_fake() -> AsyncIterator[MakeFake]:
    """Starts a fake vLLM in this process."""
    async with AsyncExitStack() as stack:

        async def make(**options: Any) -> FakeVLLM:
            return await stack.enter_async_context(serving(**options))

        yield make


@pytest_asyncio.fixture
async def make_generator() -> AsyncIterator[MakeGenerator]:
    """Makes a generator over fakes, and closes it."""
    made = list[PoolGenerator]()

    async def make(
        *fakes: FakeVLLM, dialect: Dialect | None = None, pool: PoolOptions | None = None, **options: Any
    ) -> PoolGenerator:
        servers = Pool("test", [fake.url for fake in fakes], options=pool or PoolOptions(health_seconds=0))
        generator = PoolGenerator(servers, dialect, "test", GeneratorOptions(**options))
        made.append(generator)
        await generator.start()
        await ready(generator)
        return generator

    yield make
    for generator in made:
        await generator.aclose()


@pytest_asyncio.fixture
async def fake(make_fake: MakeFake) -> FakeVLLM:
    return await make_fake()


@pytest_asyncio.fixture
async def generator(make_generator: MakeGenerator, fake: FakeVLLM) -> PoolGenerator:
    return await make_generator(fake)


@pytest_asyncio.fixture
async def serve() -> AsyncIterator[Serve]:
    """Makes a generator over one server for each handler."""
    async with AsyncExitStack() as stack:

        async def make(*handlers: Handler, dialect: Dialect | None = None, **options: Any) -> PoolGenerator:
            urls = [await stack.enter_async_context(listening(handler)) for handler in handlers]
            pool = Pool("test", urls, options=PoolOptions(health_seconds=0, **options))
            generator = PoolGenerator(pool, dialect or Chat("m"), "test", GeneratorOptions())
            await generator.start()
            stack.push_async_callback(generator.aclose)
            return generator

        yield make
