"""Calls to one replica: every way in which they fail becomes one of the errors of this room."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from io import BytesIO
from types import SimpleNamespace
from typing import Self

import aiohttp

from .carried import carried
from .errors import Unreachable, UpstreamError
from .faults import brief, fault
from .options import PoolOptions
from .replica import Replica
from .watch import Watch

_STALE_SECONDS = 1.0  # a kept connection that the server has closed shows it sooner than this
_ERROR_BYTES, _REASON_SECONDS = 64 << 10, 1.0
_REPLY_BYTES = 64 << 20
_PLAIN_BYTES = 1 << 20  # above that aiohttp wants a file, so that writing does not hold up the loop
_KEEPALIVE_SECONDS = 4.0  # less than the 5 s after which uvicorn closes an idle connection
_HEADERS = {"Content-Type": "application/json", "Accept-Encoding": "identity"}


def connections(options: PoolOptions) -> aiohttp.ClientSession:
    """Open what the calls of one pool share. They learn from it whether they were given a kept connection."""
    tracing = aiohttp.TraceConfig()
    tracing.on_connection_reuseconn.append(_reused)
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEEPALIVE_SECONDS),
        timeout=aiohttp.ClientTimeout(total=None, connect=options.connect_seconds),
        headers=options.headers,
        cookie_jar=aiohttp.DummyCookieJar(),
        trace_configs=[tracing],
    )


async def _reused(
    _: aiohttp.ClientSession, context: SimpleNamespace, __: aiohttp.TraceConnectionReuseconnParams
) -> None:
    if isinstance(call := context.trace_request_ctx, Call):
        call.reused = True


def stream(
    session: aiohttp.ClientSession,
    replica: Replica,
    path: str,
    body: bytes,
    *,
    headers: Mapping[str, str] | None = None,
    deadline: float | None = None,
    options: PoolOptions | None = None,
) -> "Call":
    """POST the JSON `body` to `path` (which begins with a slash); `async with` gives the reply as it comes.

    Raises an UpstreamError, or TimeoutError at `deadline` (event-loop time). Leaving before the end of the reply closes
    the connection at once, by which the backend knows to stop; at its end it is kept for the next call.
    """
    sent = {**_HEADERS, **carried.get(), **(headers or {})}
    return Call(session, replica, path, body, sent, deadline, options or PoolOptions())


async def post(
    session: aiohttp.ClientSession,
    replica: Replica,
    path: str,
    body: bytes,
    *,
    headers: Mapping[str, str] | None = None,
    deadline: float | None = None,
    options: PoolOptions | None = None,
) -> bytes:
    """POST the JSON `body` and return the whole reply, at most 64 MiB. Raises what `stream` raises."""
    async with stream(session, replica, path, body, headers=headers, deadline=deadline, options=options) as call:
        return await call.whole(_REPLY_BYTES)


class Call:
    """One POST, and its reply as an asynchronous iterator of chunks as they come from the network."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        replica: Replica,
        path: str,
        body: bytes,
        headers: Mapping[str, str],
        deadline: float | None,
        options: PoolOptions,
    ) -> None:
        self._session, self._replica, self._url, self._body = session, replica, replica.url + path, body
        self._headers, self._deadline, self._options = headers, deadline, options
        self.reused = False
        """Whether it was given a kept connection, by a session from `connections`."""
        self._fresh: aiohttp.ClientSession | None = None
        self._watch: Watch
        self._response: aiohttp.ClientResponse | None = None
        self._content: aiohttp.StreamReader

    @property
    def json(self) -> bool:
        """Whether the reply is one JSON body, and no stream of events."""
        return self._response is not None and self._response.content_type == "application/json"

    async def __aenter__(self) -> Self:
        self._watch = Watch(self._replica, self._deadline, self._options.stall_seconds)
        self._watch.look()
        try:
            await self._start()
        except BaseException:
            await self._leave()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._leave()

    async def _leave(self) -> None:
        self._watch.close()
        if self._response:
            connection = self._response.connection  # none if the reply has been read to its end
            if connection and connection.transport:
                connection.transport.abort()  # close() would first wait until what is unsent has been sent
            self._response.close()
        if self._fresh:
            await self._fresh.close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        try:
            chunk = await self._content.readany()
        except (aiohttp.ClientError, ConnectionError) as error:
            raise self._unreachable("broke off its reply", error) from error
        if not chunk:
            raise StopAsyncIteration
        self._watch.heard()
        return chunk

    async def whole(self, most: int) -> bytes:
        """Return the whole reply. Raises Unreachable for one of more than `most` bytes, and what iterating raises."""
        reply = bytearray()
        async for chunk in self:
            reply += chunk
            if len(reply) > most:
                raise Unreachable(f"{self._url} answers without end: more than {most} bytes")
        return bytes(reply)

    async def _start(self) -> None:
        try:
            response = self._response = await self._answer()
        except aiohttp.ServerTimeoutError as error:
            raise self._unreachable("cannot be connected to in time", error, connecting=True) from error
        except aiohttp.ClientConnectorError as error:
            raise self._unreachable("cannot be connected to", error, connecting=True) from error
        except (aiohttp.ClientError, ConnectionError) as error:
            raise self._unreachable("gives no answer", error) from error
        self._content = response.content
        self._watch.end = self._content.set_exception
        if self._watch.failure:
            raise self._watch.failure
        if not 200 <= response.status < 300:
            raise fault(response.status, response.headers.get("Retry-After"), await self._reason())

    async def _answer(self) -> aiohttp.ClientResponse:
        """Return the reply's head. A kept connection that turns out closed is replaced once, with no harm done."""
        begun = asyncio.get_running_loop().time()
        try:
            return await self._head(self._session)
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
            late = asyncio.get_running_loop().time() - begun > _STALE_SECONDS
            if late or not self.reused or isinstance(error, aiohttp.ClientConnectorError):
                raise
        self._fresh = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(force_close=True),
            timeout=self._session.timeout,
            headers=self._session.headers,
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        return await self._head(self._fresh)

    async def _head(self, session: aiohttp.ClientSession) -> aiohttp.ClientResponse:
        if self._watch.failure:
            raise self._watch.failure
        try:
            async with asyncio.timeout(None) as scope:
                self._watch.end = lambda _: scope.reschedule(0.0)
                data = self._body if len(self._body) <= _PLAIN_BYTES else BytesIO(self._body)
                return await session.post(
                    self._url, data=data, headers=self._headers, allow_redirects=False, trace_request_ctx=self
                )
        except TimeoutError:
            if self._watch.failure:
                raise self._watch.failure from None
            raise

    async def _reason(self) -> bytes:
        """Return the body of an error, as far as it comes: the status is what matters."""
        body = bytearray()
        with suppress(aiohttp.ClientError, OSError, UpstreamError):
            async with asyncio.timeout(_REASON_SECONDS):
                while len(body) < _ERROR_BYTES and (chunk := await self._content.readany()):
                    body += chunk
        return bytes(body[:_ERROR_BYTES])

    def _unreachable(self, what: str, error: Exception, *, connecting: bool = False) -> Unreachable:
        return Unreachable(
            f"{self._replica.url} {what}: {brief(str(error) or type(error).__name__)}", connecting=connecting
        )
