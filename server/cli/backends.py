"""Checks of what a configuration names as models: every replica is asked for one token, every scorer for one reward."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import partial

import httpx

from router.ports import Scorer
from router.types import Candidate, Finish, Message, Problem
from server.gateway import Calibration, prove
from server.generators import GeneratorOptions, PoolGenerator
from server.generators.dialects import detect
from server.prm.client import HttpScorer
from server.settings import Backend, Settings
from server.upstream import Pool, PoolOptions
from server.upstream.addresses import Address
from server.upstream.discovery import Discovery
from server.wiring.models import Served, models_of

from .checkup import Check, Doubt, Trouble

_PATIENCE = 30.0
"""Seconds for one token: a server that is busy may let it wait."""

_QUESTION = Problem((Message("user", "What is 2 + 3 * 4?"),))
_RIGHT = """## Step 1: 3 * 4 = 12, so it becomes 2 + 12.

## Step 2: 2 + 12 = 14.

Therefore, the final answer is: $\\boxed{14}$."""
_WRONG = _RIGHT.replace("12", "11").replace("14", "13")
_TOKENS = 64
"""More than the question or one of the texts has: a scorer's bill is bounded by it."""


async def checks_of(settings: Settings) -> list[Check]:
    """Return the checks of all models. Raises ValueError for weights or policy files that cannot be used."""
    served = await asyncio.to_thread(models_of, settings)
    found = list[Check]()
    for one, backend in zip(served, settings.backends.values(), strict=True):
        found.append(Check(f"policy of {one.model.id}", partial(_policy, one.model.calibration)))
        found += await _remote(one, backend) if backend.generators else [_embedded(one)]
    return found


async def _policy(found: Calibration | None) -> str:
    if found is None:
        return "none: the documented default policy applies (`cogitate calibrate` makes one)"
    if found.transferred:
        raise Doubt(f"made for OTHER models, its plans may not fit; run `cogitate calibrate`: {found.summary}")
    return found.summary


def _embedded(served: Served) -> Check:
    async def look() -> str:
        async with AsyncExitStack() as stack:
            stack.push_async_callback(served.aclose)
            await served.start()
            await served.proven(_PATIENCE)
            judged = await _judged(served.model.scorer) if served.model.scorer else "no scorer"
        return f"embedded: one token sampled; {judged}"

    return Check(f"model {served.model.id}", look, _PATIENCE)


async def _remote(served: Served, backend: Backend) -> list[Check]:
    name, found = served.model.id, list[Check]()
    options = GeneratorOptions(
        model=backend.served,
        system=backend.system,
        context=backend.context,
        prefill=backend.prefill,
        dialect=backend.dialect,
    )
    pool = _alone(served.pools["generator"].options)
    found += await _each(f"generator of {name}", backend.generators, lambda u: partial(_generator, u, options, pool))
    if backend.scorers:
        pool = _alone(served.pools["scorer"].options)
        found += await _each(f"scorer of {name}", backend.scorers, lambda u: partial(_scorer, u, backend, pool))
    else:
        found.append(Check(f"scorer of {name}", _no_scorer))
    return found


def _alone(options: PoolOptions) -> PoolOptions:
    """Return how one replica is asked by itself: nobody else watches it."""
    return replace(options, health_seconds=0.0)


async def _each(role: str, sources: Sequence[str], look: Callable[[str], Callable[[], Awaitable[str]]]) -> list[Check]:
    """Return a check of each replica behind each source."""
    found = list[Check]()
    for source in sources:
        urls = await _urls(source)
        found += [Check(f"{role} at {url}", look(url), _PATIENCE) for url in urls]
        if not urls:
            found.append(Check(f"{role} at {source}", partial(_unresolved, source)))
    return found


async def _urls(source: str) -> list[str]:
    urls = list[str]()

    def update(now: Iterable[str]) -> None:
        urls[:] = now

    await Discovery([Address.parse(source)], update).once()
    return urls


async def _unresolved(source: str) -> str:
    raise Trouble(f"{source} stands for no address now: is the name right, and are there replicas behind it?")


async def _no_scorer() -> str:
    return "none: answers are put to a majority vote"


async def _generator(url: str, options: GeneratorOptions, pooled: PoolOptions) -> str:
    async with httpx.AsyncClient(headers=pooled.headers, timeout=5.0, trust_env=False) as client:
        dialect = await detect(client, url, options)
    generator = PoolGenerator(Pool(url, [url], options=pooled), dialect, dialect.model, options)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(generator.aclose)
        await generator.start()
        await prove(generator)
    return f"speaks {type(dialect).__name__.lower()}, serves {dialect.model}; one token sampled"


async def _scorer(url: str, backend: Backend, pooled: PoolOptions) -> str:
    async with httpx.AsyncClient(headers=pooled.headers, timeout=5.0, trust_env=False) as client:
        try:
            ready = await client.get(f"{url}/ready")
        except httpx.HTTPError as fault:
            raise Trouble(f"does not answer: {type(fault).__name__} {fault}".strip()) from fault
    if ready.status_code != 200:
        raise Trouble(f"is not ready ({ready.status_code}): it may be loading its model, its log says")
    async with _started(Pool(url, [url], options=pooled)) as pool:
        return await _judged(HttpScorer(pool, ratio=backend.scorer_ratio, timeout=backend.scorer_timeout))


@asynccontextmanager
async def _started(pool: Pool) -> AsyncGenerator[Pool]:
    await pool.start()
    try:
        yield pool
    finally:
        await pool.aclose()


async def _judged(scorer: Scorer) -> str:
    """Let it judge a right and a wrong solution. Raises Doubt for one that prefers the wrong one, ScorerError."""
    texts = (_RIGHT, _WRONG)
    candidates = [Candidate((i,), text, _TOKENS, finish=Finish.EOS) for i, text in enumerate(texts)]
    right, wrong = (await scorer.score(_QUESTION, candidates, _TOKENS)).rewards
    if not right or not wrong:
        raise Trouble("the scorer gave no rewards for a plain solution: its log says why")
    told = f"scored a right solution {min(right):.2f} and a wrong one {min(wrong):.2f}"
    if min(right) <= min(wrong):
        raise Doubt(f"{told}: is it the reward model that is meant, with the right family?")
    return told
