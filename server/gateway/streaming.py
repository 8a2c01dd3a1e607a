"""A search as server-sent events: its progress as reasoning, then the answer, then what it took."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import orjson
from starlette.types import Send

from router.answering import Answer
from router.events import Event, Observer, Sampled, Text
from router.types import Candidate
from server.report import Outcome
from server.web.disconnect import ClientGone

from . import errors, replies
from .errors import BUDGET_HEADER
from .exchange import Exchange
from .inbox import Inbox, Patience
from .orders import Order
from .progress import Narrator
from .replies import Envelope
from .sse import DONE, KEEP_ALIVE, STREAM_HEADERS, sse

SILENCE = 10.0
"""Seconds without an event after which a comment keeps the connection alive."""

PATIENCE = 30.0
"""Seconds a client may take to read what fills its buffers; then it counts as gone, for it keeps others out."""

_ROLE = {"role": "assistant", "content": ""}
_HOLE = "\ue000"
_PIECE = re.compile(r"(?s).{1,24}\S*\s?")


Account = dict[str, Any]
"""The `compute` object of a reply."""


class Broken(Exception):
    """The stream had begun when the request failed: the client has been told in the stream."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome)
        self.outcome = outcome


class Stream:
    """One streamed reply. It begins when the model has shown that it answers: what fails before is a plain error."""

    def __init__(
        self, order: Order, envelope: Envelope, exchange: Exchange, send: Send, notice: str | None = None
    ) -> None:
        self._order = order
        self._envelope = envelope
        self._exchange = exchange
        self._send = send
        self._narrator = Narrator()
        self._open = False
        self._begun = False
        """The model has shown that it answers."""
        self._held = list[bytes]()
        """What waits for the stream to begin."""
        if notice and order.request.show_reasoning:
            self._held.append(self._chunk(0, replies.reasoning(f"{notice}\n")))
        self._written = list[str]()
        """What has been sent of the first answer while it was being written."""
        self._frame: tuple[bytes, bytes] | None = None
        self._patience = Patience(PATIENCE)

    async def run(self, think: Callable[[Observer], Awaitable[Answer]], account: Callable[[Answer], Account]) -> None:
        """Run `think`, pass on what it reports, and send the answer with its account.

        Raises what went wrong, or Broken once the stream has begun; ClientGone for one who does not read.
        """
        try:
            async with self._patience:
                await self._run(think, account)
        except TimeoutError:
            if self._patience.lost:
                raise ClientGone from None
            raise

    async def _run(self, think: Callable[[Observer], Awaitable[Answer]], account: Callable[[Answer], Account]) -> None:
        try:
            answer = await self._relay(think)
            await self._finish(answer, account(answer))
        except ClientGone:
            raise
        except Exception as failure:
            if not self._open:
                raise
            error = errors.of(failure, self._exchange.request_id)
            await self._write(sse(error.body()), more=False)
            raise Broken(errors.outcome_of(error)) from failure

    async def _relay(self, think: Callable[[Observer], Awaitable[Answer]]) -> Answer:
        inbox = Inbox(SILENCE)
        thinking = asyncio.create_task(_until_end(think, inbox))
        try:
            await self._pass_on(inbox)
            return await thinking
        except BaseException:
            thinking.cancel()
            await asyncio.gather(thinking, return_exceptions=True)
            raise
        finally:
            inbox.close()

    async def _finish(self, answer: Answer, account: Account) -> None:
        chosen = replies.returned(answer, self._order.request.choices)
        chunks = [chunk for i, c in enumerate(chosen) for chunk in self._content(i, c)]
        if self._order.request.include_usage:
            chunks += [self._end(i, c) for i, c in enumerate(chosen)]
            chunks.append(self._usage(replies.usage(answer, chosen), account))
        else:
            last = len(chosen) - 1
            chunks += [self._end(i, c, **({"compute": account} if i == last else {})) for i, c in enumerate(chosen)]
        self._exchange.first_token()
        await self._write(*chunks, DONE, more=False)

    async def _pass_on(self, inbox: Inbox) -> None:
        batch: list[Event | None] = []
        while not batch or batch[-1] is not None:
            batch = await inbox.batch()
            chunks = [chunk for event in batch if event is not None for chunk in self._event(event)]
            self._begun |= any(isinstance(event, Text | Sampled) for event in batch)
            if not batch:
                await self._write(KEEP_ALIVE)
            elif chunks and (self._begun or self._open):
                await self._write(*chunks)
            else:
                self._held += chunks

    def _event(self, event: Event) -> Iterator[bytes]:
        if isinstance(event, Text):
            self._exchange.first_token()
            self._written.append(event.text)
            yield self._content_chunk(event.text)
        elif not self._written and (line := self._narrator.hear(event)) and self._order.request.show_reasoning:
            yield self._chunk(0, replies.reasoning(line))

    def _content(self, index: int, candidate: Candidate) -> Iterator[bytes]:
        text = candidate.text if index else candidate.text.removeprefix("".join(self._written))
        if index:
            yield self._chunk(index, _ROLE)
        for piece in _PIECE.findall(text):
            yield self._chunk(index, {"content": piece})

    def _end(self, index: int, candidate: Candidate, **extra: Any) -> bytes:
        return self._chunk(index, {}, replies.finish_reason(candidate), replies.logprobs(candidate), **extra)

    def _usage(self, usage: dict[str, Any], account: Account) -> bytes:
        content = self._envelope.around("chat.completion.chunk", choices=[], usage=usage, compute=account)
        return sse(content)

    def _content_chunk(self, text: str) -> bytes:
        """Return a piece of the first answer: all but the text is written once for all pieces."""
        if self._frame is None:
            before, _, behind = self._chunk(0, {"content": _HOLE}).partition(orjson.dumps(_HOLE))
            self._frame = before, behind
        before, behind = self._frame
        return b"%b%b%b" % (before, orjson.dumps(text), behind)

    def _chunk(
        self,
        index: int,
        delta: dict[str, str],
        finish: str | None = None,
        logprobs: dict[str, Any] | None = None,
        **extra: Any,
    ) -> bytes:
        choice = {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": finish}
        if self._order.request.include_usage:
            extra["usage"] = None
        return sse(self._envelope.around("chat.completion.chunk", choices=[choice], **extra))

    async def _write(self, *chunks: bytes, more: bool = True) -> None:
        if not self._open:
            self._open = True
            headers = {**STREAM_HEADERS, BUDGET_HEADER: self._order.grant.header, **self._exchange.headers}
            raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
            await self._send({"type": "http.response.start", "status": 200, "headers": raw})
            chunks = (self._chunk(0, _ROLE), *self._held, *chunks)
        self._patience.begin()
        await self._send({"type": "http.response.body", "body": b"".join(chunks), "more_body": more})
        self._patience.end()


async def _until_end(think: Callable[[Observer], Awaitable[Answer]], inbox: Inbox) -> Answer:
    """Run `think` with its events in the inbox, and None behind the last."""
    try:
        return await think(inbox.put)
    finally:
        inbox.put(None)
