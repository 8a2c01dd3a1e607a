"""`GET /v1/models`: the one model there is."""

from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from .deps import Deps
from .errors import model_not_found
from .wire import json_response


def routes(deps: Deps) -> APIRouter:
    """Return the list of models and the look-up by id."""
    router = APIRouter(prefix="/v1/models")
    card: dict[str, Any] = {
        "id": deps.model,
        "object": "model",
        "created": deps.readiness.since,
        "owned_by": "cogitate",
    }

    @router.get("")
    async def models() -> Response:  # pyright: ignore[reportUnusedFunction]
        return json_response({"object": "list", "data": [card]})

    @router.get("/{model:path}")
    async def model(model: str) -> Response:  # pyright: ignore[reportUnusedFunction]
        if model != deps.model:
            raise model_not_found(model, deps.model)
        return json_response(card)

    return router
