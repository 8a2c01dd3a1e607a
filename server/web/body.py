"""Reading a request's body, and no more of it than allowed."""

import asyncio

from starlette.datastructures import Headers
from starlette.types import Receive

from .disconnect import ClientGone
from .errors import too_large, too_slow


async def read(headers: Headers, receive: Receive, limit: int, seconds: float) -> bytes:
    """Return the whole body. Raises ApiError past `limit` bytes (413) or `seconds` (408), and ClientGone."""
    try:
        async with asyncio.timeout(seconds):
            return await _whole(headers, receive, limit)
    except TimeoutError:
        raise too_slow() from None


async def _whole(headers: Headers, receive: Receive, limit: int) -> bytes:
    announced = headers.get("content-length", "0")
    if announced.isdecimal() and int(announced[:18]) > limit:
        raise too_large(limit)
    chunks, size, more = list[bytes](), 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > limit:  # a chunked body announces nothing
            raise too_large(limit)
        chunks.append(chunk)
        more = message.get("more_body", False)
    return b"".join(chunks)
