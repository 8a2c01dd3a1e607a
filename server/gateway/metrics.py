"""`GET /metrics`: what an observer has counted, for Prometheus."""

from collections.abc import Callable

from fastapi import APIRouter
from starlette.responses import Response

from .deps import Exposition


def routes(exposition: Callable[[], Exposition]) -> APIRouter:
    """Return the endpoint."""
    router = APIRouter()

    @router.get("/metrics")
    async def metrics() -> Response:  # pyright: ignore[reportUnusedFunction]
        exposed = exposition()
        return Response(exposed.body, headers={"content-type": exposed.content_type})

    return router
