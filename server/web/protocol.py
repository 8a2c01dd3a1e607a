"""HTTP/1.1 with bounds for what a client sends and for how long it takes: httptools has none for a request's head."""

import asyncio
from typing import Any

from starlette.responses import Response
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from .errors import ApiError, invalid

_LINGER = 1.0
"""Seconds in which a refused client may go on sending: closing at once would reset what it has not read yet."""


class _TooLong(Exception):
    """The head of a request is too long; stops the parser."""


def protocol_of(header_bytes: int, client_seconds: float) -> type[HttpToolsProtocol]:
    """Return the protocol for heads of at most `header_bytes`, of clients that are silent for `client_seconds`."""
    return type("Bounded", (_Bounded,), {"longest": header_bytes, "patience": client_seconds})


class _Bounded(HttpToolsProtocol):
    """Refuses a long head (431) or a slow one (408), and leaves clients that do not read their reply.

    Bytes are counted from one milestone of a request to the next: the end of its head, a piece of its body, its end.
    So the count holds for a head that never ends, for trailers and for empty lines, too. Nothing is timed where a
    request comes in one piece.
    """

    longest: int
    patience: float

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._pending = 0
        """Bytes since the last milestone."""
        self._head = False
        """A head has begun and has not come to its end."""
        self._whole = True
        """The last request has come to its end."""
        self._deaf = False
        self._too_long = False
        self._sending: asyncio.TimerHandle | None = None
        self._reading: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]  # as uvicorn does
        """Begin to wait for a first request."""
        super().connection_made(transport)
        self._wait_for_client()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        super().connection_lost(exc)
        self._stop_waiting()
        if self._reading is not None:
            self._reading.cancel()

    def data_received(self, data: bytes) -> None:
        """Parse what has come, and look whether it leads anywhere."""
        if self._deaf:
            return
        self._pending += len(data)
        super().data_received(data)
        if self._deaf or not (self._pending or self._head):
            return
        if self._pending > self.longest:
            self._too_long = True
            self.send_400_response("")
        elif self._sending is None:
            self._wait_for_client()

    def on_message_begin(self) -> None:
        """Note that a request begins."""
        self._head = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Take the request, unless its head is too long."""
        size = len(self.url) + sum([len(name) + len(value) + 4 for name, value in self.headers])
        if size > self.longest:
            self._too_long = True
            raise _TooLong
        self._pending = 0
        self._head = self._whole = False
        self._stop_waiting()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body."""
        self._pending = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Note that the request is whole."""
        self._pending = 0
        self._whole = True
        self._stop_waiting()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Wait for the client to read, and for what it has not yet sent of its request."""
        super().on_response_complete()
        self._wait_for_reader()
        if not self._whole and not self.transport.is_closing():
            self._wait_for_client()

    def pause_writing(self) -> None:
        """Wait for the client to read."""
        super().pause_writing()
        self._wait_for_reader()

    def send_400_response(self, msg: str) -> None:
        """Refuse what cannot be parsed, in OpenAI's shape."""
        error = _too_long(self.longest) if self._too_long else invalid(msg, code="invalid_http")
        self._refuse(error)

    def _refuse(self, error: ApiError) -> None:
        self._deaf = True
        self._stop_waiting()
        if self.transport.is_closing():
            return
        if self._busy:  # it has a reply coming to it, into which no other can be written
            self.transport.close()
            return
        self.transport.write(_head(error.status) + _rest(error.response()))
        self.transport.write_eof()
        self._sending = self.loop.call_later(_LINGER, self.transport.abort)

    @property
    def _busy(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete  # pyright: ignore[reportUnnecessaryComparison]

    def _wait_for_client(self) -> None:
        self._stop_waiting()
        self._sending = self.loop.call_later(self.patience, self._late)

    def _stop_waiting(self) -> None:
        if self._sending is not None:
            self._sending.cancel()
            self._sending = None

    def _late(self) -> None:
        self._sending = None
        if self._busy:  # whoever reads its body has a time-out for it
            self._wait_for_client()
        elif self._pending or self._head:
            self._refuse(ApiError(408, "The request did not arrive in time.", code="request_timeout"))
        else:
            self.transport.close()

    def _wait_for_reader(self) -> None:
        if self._reading is None and (size := self.transport.get_write_buffer_size()):
            self._reading = self.loop.call_later(self.patience, self._unread, size)

    def _unread(self, before: int) -> None:
        self._reading = None
        if self.transport.get_write_buffer_size() == before:
            self.transport.abort()
        else:
            self._wait_for_reader()


def _too_long(limit: int) -> ApiError:
    return ApiError(431, f"The request's headers are larger than {limit} bytes.", code="headers_too_large")


def _head(status: int) -> bytes:
    return b"HTTP/1.1 %d \r\nconnection: close\r\n" % status


def _rest(response: Response) -> bytes:
    lines = [name + b": " + value + b"\r\n" for name, value in response.raw_headers]
    return b"".join(lines) + b"\r\n" + bytes(response.body)
