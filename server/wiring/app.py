"""From settings to the application."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from fastapi import FastAPI

from server.gateway import Deps, Exposition, Limits, Readiness, create_app
from server.observers import Log, Metrics
from server.settings import Settings
from server.web.process import version

from .models import Served, models_of
from .policies import tell

_log = logging.getLogger(__name__)


def build(settings: Settings) -> tuple[FastAPI, Readiness]:
    """Return the application, and what says whether it is ready.

    Embedded weights and policy files are read here; everything else starts with the server. Raises ValueError for
    settings that make no sense.
    """
    served, readiness, metrics = models_of(settings), Readiness(), Metrics(version())
    for one in served:
        tell(one.model)
        file = one.model.calibration
        metrics.serves(one.model.id, one.model.rules, file.digest if file else "")
    deps = Deps(
        models=tuple(s.model for s in served),
        version=version(),
        observers=(metrics, Log()),
        exposition=lambda: Exposition(metrics.exposed(), metrics.content_type),
        readiness=readiness,
        running=lambda: _running(served, readiness),
        limits=limits_of(settings),
    )
    return create_app(deps), readiness


def limits_of(settings: Settings) -> Limits:
    """Return the numbers that bound every request."""
    return Limits(
        default_budget=settings.default_budget,
        max_samples=settings.max_samples,
        max_deadline=settings.max_deadline,
        max_body_bytes=settings.max_body_bytes,
        max_concurrency=settings.max_concurrency,
        price=settings.price,
    )


@asynccontextmanager
async def _running(served: Sequence[Served], readiness: Readiness) -> AsyncGenerator[None]:
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
