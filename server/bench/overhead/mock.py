"""A model server that thinks nothing: vLLM's replies, token by token, each at its time."""

import asyncio
import re
from collections.abc import Iterator
from typing import Any, cast

import orjson
import uvloop

_LENGTH = re.compile(rb"(?i)content-length: (\d+)")
_HEAD = "HTTP/1.1 200 OK\r\nContent-Type: %s\r\n"
_WORD = " word"
_IDS = 60


class Mock(asyncio.Protocol):
    """One connection: `tokens` tokens for whatever is asked, one each `pace` seconds."""

    def __init__(self, tokens: int, pace: float) -> None:
        self._tokens, self._pace, self._buffer = tokens, pace, b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are no subclass

    def data_received(self, data: bytes) -> None:
        """Answer a whole request; nobody here sends a second one before its reply."""
        self._buffer += data
        head, found, rest = self._buffer.partition(b"\r\n\r\n")
        said = _LENGTH.search(head)
        if not found or len(rest) < (int(said[1]) if said else 0):
            return
        self._buffer = b""
        path = head.split(b" ", 2)[1].decode()
        if path.endswith("/completions"):
            self._complete(orjson.loads(rest), chat="chat" in path)
        else:
            self._reply(_small(path))

    def _complete(self, body: dict[str, Any], *, chat: bool) -> None:
        if not body.get("stream"):
            self._later(self._tokens, self._reply, _whole(self._tokens, chat=chat))
            return
        self._transport.write((_HEAD % "text/event-stream" + "Transfer-Encoding: chunked\r\n\r\n").encode())
        for token, event in _events(self._tokens, body.get("stream_interval", 1), chat=chat):
            self._later(token, self._chunk, event)
        self._later(self._tokens, self._chunk, b"data: [DONE]\n\n")
        self._later(self._tokens, self._chunk, b"")

    def _later(self, token: int, do: Any, what: Any) -> None:
        asyncio.get_running_loop().call_later(token * self._pace, do, what)

    def _chunk(self, data: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(b"%x\r\n%s\r\n" % (len(data), data))

    def _reply(self, answer: Any) -> None:
        if not self._transport.is_closing():
            body = orjson.dumps(answer)
            self._transport.write((_HEAD % "application/json" + f"Content-Length: {len(body)}\r\n\r\n").encode() + body)


def _small(path: str) -> Any:
    """Answer what is no completion: lists of models, counts of tokens, and the health checks and spans."""
    if path == "/v1/models":
        return {"object": "list", "data": [{"id": "m", "object": "model", "owned_by": "vllm", "max_model_len": 32768}]}
    if path == "/tokenize":
        return {"count": _IDS, "max_model_len": 32768, "tokens": list(range(1000, 1000 + _IDS))}
    return {}


def _around(chat: bool, chunk: bool, **fields: Any) -> dict[str, Any]:
    kind = ("chat.completion.chunk" if chunk else "chat.completion") if chat else "text_completion"
    return {"id": "cmpl-0123456789abcdef", "object": kind, "created": 1_700_000_000, "model": "m"} | fields


def _usage(tokens: int) -> dict[str, int]:
    return {"prompt_tokens": _IDS, "completion_tokens": tokens, "total_tokens": _IDS + tokens}


def _whole(tokens: int, *, chat: bool) -> dict[str, Any]:
    text = {"message": {"role": "assistant", "content": _WORD * tokens}} if chat else {"text": _WORD * tokens}
    choice = {"index": 0, "logprobs": None, "finish_reason": "stop", "stop_reason": None, **text}
    return _around(chat, False, choices=[choice], usage=_usage(tokens))


def _events(tokens: int, every: int, *, chat: bool) -> Iterator[tuple[int, bytes]]:
    """Yield after how many tokens which event is sent: the first one alone, then every so many."""
    if chat:
        yield 0, _event(chat, {"delta": {"role": "assistant", "content": ""}})
    ends = [*range(1, tokens, every), tokens]
    for last, end in zip([0, *ends], ends, strict=False):
        text, finish = _WORD * (end - last), "stop" if end == tokens else None
        said = {"delta": {"content": text}} if chat else {"text": text, "token_ids": [1234] * (end - last)}
        yield end, _event(chat, {"logprobs": None, **said, "finish_reason": finish, "stop_reason": None})
    yield tokens, b"data: " + orjson.dumps(_around(chat, True, choices=[], usage=_usage(tokens))) + b"\n\n"


def _event(chat: bool, choice: dict[str, Any]) -> bytes:
    return b"data: " + orjson.dumps(_around(chat, True, choices=[{"index": 0, **choice}])) + b"\n\n"


def serve(port: int, tokens: int, pace: float) -> None:
    """Serve until terminated."""

    async def main() -> None:
        server = await asyncio.get_running_loop().create_server(lambda: Mock(tokens, pace), "127.0.0.1", port)
        await server.serve_forever()

    uvloop.run(main())
