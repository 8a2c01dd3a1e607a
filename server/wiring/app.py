"""From settings to the application."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from fastapi import FastAPI

from server.gateway import Deps, Exposition, Limits, Readiness, create_app
from server.keys import Quota
from server.observers import Metrics
from server.settings import Settings
from server.web.process import version

from .guards import admission_of, keyring_of, quota_of
from .models import Served, models_of
from .observers import ears_of
from .policies import tell
from .watching import Watching

_log = logging.getLogger(__name__)


def build(settings: Settings) -> tuple[FastAPI, Readiness]:
    """Return the application, and what says whether it is ready.

    Embedded weights, policy files and keys are read here; everything else starts with the server. Raises ValueError
    for settings that make no sense.
    """
    served, readiness, metrics = models_of(settings), Readiness(), Metrics(version())
    for one in served:
        tell(one.model)
        file = one.model.calibration
        metrics.serves(one.model.id, one.model.rules, file.digest if file else "")
    admission, ears, quota = admission_of(settings), ears_of(settings, metrics, version()), quota_of(settings)
    watching = Watching(metrics, served, admission)

    @asynccontextmanager
    async def running() -> AsyncGenerator[None]:
        with ears.open():
            async with _models_running(served, readiness), watching.running(), _closing(quota):
                yield

    deps = Deps(
        models=tuple(s.model for s in served),
        version=version(),
        observers=ears.observers,
        exposition=lambda: Exposition(watching.exposed(), metrics.content_type),
        readiness=readiness,
        running=running,
        limits=limits_of(settings),
        admission=admission,
        trace=ears.tracing.begin,
        keyring=keyring_of(settings),
        quota=quota,
    )
    return create_app(deps), readiness


def limits_of(settings: Settings) -> Limits:
    """Return the numbers that bound every request."""
    return Limits(
        default_budget=settings.default_budget,
        max_samples=settings.max_samples,
        max_deadline=settings.max_deadline,
        max_body_bytes=settings.max_body_bytes,
        client_seconds=settings.client_seconds,
        price=settings.price,
    )


@asynccontextmanager
async def _closing(quota: Quota) -> AsyncGenerator[None]:
    try:
        yield
    finally:
        await quota.aclose()


@asynccontextmanager
async def _models_running(served: Sequence[Served], readiness: Readiness) -> AsyncGenerator[None]:
    """Start the models beside the server, which is alive meanwhile, and close them after it."""
    starting = [asyncio.create_task(_start(one, readiness)) for one in served]
    async with AsyncExitStack() as stack:
        for one in served:
            stack.push_async_callback(one.aclose)
        try:
            yield
        finally:
            readiness.drain()
            for task in starting:
                task.cancel()
            await asyncio.gather(*starting, return_exceptions=True)


async def _start(served: Served, readiness: Readiness) -> None:
    """Start one model; the server is ready as soon as any of its models answers."""
    try:
        await served.start()
        await served.proven()
    except Exception:  # noqa: BLE001 - whatever it is, being alive and not ready is what tells
        _log.exception("the model %s cannot be started", served.model.id)
    else:
        readiness.open()
