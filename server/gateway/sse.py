"""Server-sent events: their bytes."""

from collections.abc import Mapping
from typing import Any

import orjson

DONE = b"data: [DONE]\n\n"
"""The end of a stream that went well."""

KEEP_ALIVE = b": keep-alive\n\n"
"""A comment: proxies see traffic, clients skip it."""

STREAM_HEADERS: Mapping[str, str] = {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-cache",
    "x-accel-buffering": "no",
}


def sse(data: Any) -> bytes:
    """Return `data` as one server-sent event without a name: clients of chat completions know no others."""
    return b"data: " + orjson.dumps(data) + b"\n\n"
