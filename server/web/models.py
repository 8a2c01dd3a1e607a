"""`GET /v1/models`: the models there are."""

from collections.abc import Sequence

from fastapi import APIRouter
from starlette.responses import Response

from .errors import model_not_found
from .json import json_response


def routes(ids: Sequence[str], since: int) -> APIRouter:
    """Return the list of models and the look-up by id. `since` is the Unix time from which they are served."""
    router = APIRouter(prefix="/v1/models")
    cards = {id_: {"id": id_, "object": "model", "created": since, "owned_by": "cogitate"} for id_ in ids}

    @router.get("")
    async def models() -> Response:  # pyright: ignore[reportUnusedFunction]
        return json_response({"object": "list", "data": list(cards.values())})

    @router.get("/{model:path}")
    async def model(model: str) -> Response:  # pyright: ignore[reportUnusedFunction]
        if model not in cards:
            raise model_not_found(model, ids)
        return json_response(cards[model])

    return router
