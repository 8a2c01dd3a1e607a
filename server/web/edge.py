"""The outermost layer: every request has an id, and every fault a reply."""

import logging
import re
from uuid import uuid4

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from . import errors
from .json import respond

HEADER = "x-request-id"
_KEY = "cogitate.request_id"
_SANE = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}")


def request_id(scope: Scope) -> str:
    """Return the id of the request."""
    return scope[_KEY]


class Edge:
    """Plain ASGI: a layer of Starlette's BaseHTTPMiddleware would cost more than the rest of the way in."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take over the client's id or make one, name it in the reply, and turn what escapes into a 500."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        identity = scope[_KEY] = _identity(Headers(scope=scope).get(HEADER, ""))
        started = False

        async def named(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                MutableHeaders(scope=message)[HEADER] = identity
            await send(message)

        try:
            await self._app(scope, receive, named)
        except Exception as failure:
            if started:
                logging.getLogger(__name__).exception("request %s failed in its reply", identity)
                raise
            await respond(errors.of(failure, identity).response(), named)


def _identity(given: str) -> str:
    return given if _SANE.fullmatch(given) else f"req_{uuid4().hex}"
