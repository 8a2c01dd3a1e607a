"""From settings to models: the embedded ones, or pools of generators with a scoring service beside them."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from math import inf

from router.ports import GeneratorError
from server.embedded import fingerprint, load
from server.gateway import Calibration, Condition, Model, prove
from server.generators import GeneratorOptions, PoolGenerator
from server.prm.client import HttpScorer
from server.settings import Backend, Settings
from server.upstream import Pool, PoolOptions

from .policies import Identity, configured, shipped

_RETRY = 1.0
"""Seconds between two questions to a model that has never answered."""

_PATIENCE = 10.0
"""Seconds a program that is no server waits for its model."""

PASSES = frozenset(
    {
        "allowed_token_ids",
        "bad_words",
        "cache_salt",
        "chat_template_kwargs",
        "frequency_penalty",
        "ignore_eos",
        "logit_bias",
        "logprobs",
        "min_p",
        "min_tokens",
        "presence_penalty",
        "priority",
        "repetition_penalty",
        "stop_token_ids",
        "top_k",
        "top_logprobs",
    }
)
"""Fields of a request that generators behind HTTP take. What a server of theirs does not know, it says or ignores."""


@dataclass(frozen=True, slots=True)
class Served:
    """A model, how what it runs on is started and closed, and the pools it has, by role: generator, scorer."""

    model: Model
    start: Callable[[], Awaitable[None]]
    aclose: Callable[[], Awaitable[None]]
    pools: Mapping[str, Pool] = field(default_factory=dict[str, Pool])

    async def proven(self, patience: float = inf) -> None:
        """Return as soon as the model answers. Raises GeneratorError when it has not for `patience` seconds."""
        clock = asyncio.get_running_loop().time
        latest = clock() + patience
        while True:
            try:
                return await prove(self.model.generator)
            except GeneratorError:
                if clock() >= latest:
                    raise
                await asyncio.sleep(_RETRY)


def models_of(settings: Settings) -> tuple[Served, ...]:
    """Return what is served, the default first. Embedded weights and policies are read here. Raises ValueError."""
    return tuple(_served(name, backend, settings) for name, backend in settings.backends.items())


@asynccontextmanager
async def opened(settings: Settings) -> AsyncGenerator[Model]:
    """Start the default model, for a program that is no server. Raises GeneratorError where it does not answer."""
    served = models_of(settings)[0]
    async with AsyncExitStack() as stack:
        stack.push_async_callback(served.aclose)
        await served.start()
        await served.proven(_PATIENCE)
        yield served.model


def _served(name: str, backend: Backend, settings: Settings) -> Served:
    served = _remote(name, backend) if backend.generators else _embedded(name, settings)
    return replace(served, model=replace(served.model, calibration=_calibration(served.model, backend, settings)))


def _calibration(model: Model, backend: Backend, settings: Settings) -> Calibration | None:
    """Return the model's policy file. Raises ValueError for one that cannot be used."""
    identity = Identity(
        generators=frozenset(name for name in (model.id, backend.served, model.generator.name) if name),
        judged=model.scorer is not None,
        fingerprint=None if backend.generators else fingerprint(settings.weights),
    )
    if backend.policy:
        setting = f"'policy' of the model {model.id}" if settings.models else "COGITATE_POLICY"
        return configured(backend.policy, setting, identity)
    return None if backend.generators else shipped(identity)


def _embedded(name: str, settings: Settings) -> Served:
    models = load(settings.weights)

    async def start() -> None:
        models.start()

    return Served(Model(name, models.generator, models.scorer, notice=models.notice), start, models.aclose)


def _remote(name: str, backend: Backend) -> Served:
    pool = Pool(f"{name} generators", backend.generators, options=_pool(backend))
    options = GeneratorOptions(
        model=backend.served,
        system=backend.system,
        context=backend.context,
        prefill=backend.prefill,
        dialect=backend.dialect,
    )
    generator = PoolGenerator(pool, None, name, options)
    scoring = Pool(f"{name} scorers", backend.scorers, options=_pool(backend)) if backend.scorers else None
    scorer = HttpScorer(scoring, ratio=backend.scorer_ratio, timeout=backend.scorer_timeout) if scoring else None

    async def start() -> None:
        await asyncio.gather(generator.start(), *([scoring.start()] if scoring else []))

    async def aclose() -> None:
        await asyncio.gather(generator.aclose(), *([scoring.aclose()] if scoring else []))

    def condition() -> Condition:
        details = {"replicas": _replicas(pool), **({"scorers": _replicas(scoring)} if scoring else {})}
        return Condition(up=generator.reachable, details=details)

    pools = {"generator": pool, **({"scorer": scoring} if scoring else {})}
    return Served(Model(name, generator, scorer, passes=PASSES, condition=condition), start, aclose, pools)


def _pool(backend: Backend) -> PoolOptions:
    return PoolOptions(
        affinity=backend.affinity,
        slots=backend.slots,
        api_key=backend.api_key.get_secret_value() if backend.api_key else None,
        stall_seconds=backend.stall_seconds,
    )


def _replicas(pool: Pool) -> dict[str, int]:
    return {"healthy": pool.healthy, "known": len(pool.replicas)}
