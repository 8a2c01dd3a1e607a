"""JSON replies."""

from collections.abc import Mapping
from typing import Any

import orjson
from starlette.responses import Response
from starlette.types import Send


def json_response(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return `content` as a JSON reply."""
    return Response(orjson.dumps(content), status, headers, media_type="application/json")


async def respond(response: Response, send: Send) -> None:
    """Send a whole reply."""
    await send({"type": "http.response.start", "status": response.status_code, "headers": response.raw_headers})
    await send({"type": "http.response.body", "body": response.body})
