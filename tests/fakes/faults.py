"""The ways in which a server fails, on demand."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

_LAST_WORDS = {
    "silence": b"",
    "drop": b"",
    "garbage": b'data: {"choices": [{"index": "x"\n\n',
    "half": b'data: {"choices": [{"index": 0, "te',
    "error": b'data: {"error": {"message": "told to fail", "code": 500}}\n\n',
    "abort": b'data: {"choices": [{"index": 0, "text": "", "finish_reason": "abort"}]}\n\n',
}
"""What a stream that is about to fail still says."""


@dataclass(frozen=True, slots=True)
class Fault:
    """From the next call on, for `times` calls (None: until told otherwise), behind `after_chunks` good chunks.

    `kind` is "500", "503", "400", "silence", "garbage", "half" (a chunk is cut and the connection closed), "drop"
    (only closed), "error" (an error inside the stream), "abort" (a finish_reason of vLLM's), or "slow" (`seconds`
    before each chunk). None is none.
    """

    kind: str | None = None
    after_chunks: int = 0
    times: int | None = None
    seconds: float = 0.02


@dataclass(slots=True)
class Misbehaviour:
    """The fault that is set, and how often it is still to happen."""

    _fault: Fault = field(default_factory=Fault)
    _left: float = 0

    def set(self, fault: Fault) -> None:
        """Misbehave like that from now on."""
        self._fault, self._left = fault, float("inf") if fault.times is None else fault.times

    def next(self) -> "Trouble":
        """Return what is to happen to the next call."""
        if self._fault.kind is None or self._left < 1:
            return Trouble(Fault())
        self._left -= 1
        return Trouble(self._fault)


@dataclass(slots=True)
class Trouble:
    """What happens to one call."""

    fault: Fault
    chunks: int = 0

    async def before(self, request: web.Request) -> web.Response | None:
        """Fail before anything is generated, or let it pass."""
        if self.fault.after_chunks:
            return None
        match self.fault.kind:
            case "500" | "503" | "400":
                status = int(self.fault.kind)
                error = {"message": "told to fail", "type": "Error", "param": None, "code": status}
                return web.json_response({"error": error}, status=status)
            case "silence":
                await asyncio.Event().wait()
            case "drop":
                _close(request)
            case _:
                pass
        return None

    async def pause(self) -> None:
        """Be slow, if told to."""
        if self.fault.kind == "slow":
            await asyncio.sleep(self.fault.seconds)

    async def between(self, request: web.Request, response: web.StreamResponse) -> None:
        """Fail within a stream, or let the next chunk pass."""
        await self.pause()
        self.chunks += 1
        if self.chunks <= self.fault.after_chunks:
            return
        kind = self.fault.kind
        if kind not in _LAST_WORDS:
            return
        await response.write(_LAST_WORDS[kind])
        if kind in ("drop", "half"):
            _close(request)
        await asyncio.Event().wait()  # until the client has gone

    async def whole(self, request: web.Request, answer: dict[str, Any]) -> web.StreamResponse:
        """Answer with one body, or with what the fault makes of it."""
        match self.fault.kind:
            case "garbage":
                return web.Response(text="<html>not this</html>", content_type="application/json")
            case "half":
                response = web.StreamResponse(headers={"Content-Type": "application/json", "Content-Length": "1000"})
                await response.prepare(request)
                await response.write(b'{"choices": [')
                _close(request)
                return response
            case _:
                return web.json_response(answer)


def _close(request: web.Request) -> None:
    """Close the connection in mid-reply, and end the handler."""
    if request.transport:
        request.transport.close()
    raise asyncio.CancelledError
