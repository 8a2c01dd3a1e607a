"""Bytes: JSON replies and server-sent events."""

from collections.abc import Mapping
from typing import Any

import orjson
from starlette.responses import Response
from starlette.types import Send

DONE = b"data: [DONE]\n\n"
"""The end of a stream that went well."""

KEEP_ALIVE = b": keep-alive\n\n"
"""A comment: proxies see traffic, clients skip it."""

STREAM_HEADERS: Mapping[str, str] = {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-cache",
    "x-accel-buffering": "no",
}


def json_response(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return `content` as a JSON reply."""
    return Response(orjson.dumps(content), status, headers, media_type="application/json")


def sse(data: Any) -> bytes:
    """Return `data` as one server-sent event without a name: clients of chat completions know no others."""
    return b"data: " + orjson.dumps(data) + b"\n\n"


async def respond(response: Response, send: Send) -> None:
    """Send a whole reply."""
    await send({"type": "http.response.start", "status": response.status_code, "headers": response.raw_headers})
    await send({"type": "http.response.body", "body": response.body})
