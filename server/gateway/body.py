"""Reading a request's body, and no more of it than allowed."""

from starlette.datastructures import Headers
from starlette.types import Receive

from .disconnect import ClientGone
from .errors import too_large


async def read(headers: Headers, receive: Receive, limit: int) -> bytes:
    """Return the whole body. Raises ApiError (413) as soon as it passes `limit` bytes, and ClientGone."""
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
