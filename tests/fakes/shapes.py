"""The JSON that vLLM answers with."""

import json
import time
from typing import Any

from .rows import Chunk


class Reply:
    """One call's answer in vLLM's words."""

    def __init__(
        self, name: str, kind: str, body: dict[str, Any], ids: tuple[int, ...], quirks: frozenset[str]
    ) -> None:
        self._chat, self._kind = kind.startswith("chat"), kind
        self._body, self._ids, self._quirks = body, ids, quirks
        self._head = {"id": "cmpl-fake", "created": int(time.time()), "model": name}
        self._begun = set[int]()

    def whole(self, rows: list[list[Chunk]]) -> dict[str, Any]:
        choices = [self._choice(place, row) for place, row in enumerate(rows)]
        return self._head | {"object": self._kind, "choices": choices, "usage": self._usage(rows)}

    def event(self, place: int, chunks: list[Chunk]) -> bytes:
        choice = self._choice(place, chunks, streamed=True)
        if self._body.get("return_token_ids") and place not in self._begun:
            choice["prompt_token_ids"] = self._ids
        self._begun.add(place)
        kind = "chat.completion.chunk" if self._chat else self._kind
        return _event(self._head | {"object": kind, "choices": [choice]})

    def end(self, rows: list[list[Chunk]]) -> list[bytes]:
        events = list[bytes]()
        if (self._body.get("stream_options") or {}).get("include_usage"):
            events.append(_event(self._head | {"object": self._kind, "choices": [], "usage": self._usage(rows)}))
        return events if "endless" in self._quirks else [*events, b"data: [DONE]\n\n"]

    def _choice(self, place: int, row: list[Chunk], *, streamed: bool = False) -> dict[str, Any]:
        text, last = "".join(chunk.text for chunk in row), row[-1]
        choice: dict[str, Any] = {"index": place}
        if self._chat:
            choice["delta" if streamed else "message"] = {"role": "assistant", "content": text}
        else:
            choice["text"] = text
        choice |= {"logprobs": self._logprobs(row), "finish_reason": last.finish, "stop_reason": last.stop}
        if self._body.get("return_token_ids") and "no ids" not in self._quirks:
            choice["token_ids"] = [chunk.token for chunk in row]
        return choice

    def _logprobs(self, row: list[Chunk]) -> dict[str, Any] | None:
        wanted = self._body.get("logprobs")
        if wanted is None or wanted is False:
            return None
        if self._chat:
            top = self._body.get("top_logprobs") or 0
            entries = [{"token": c.text, "logprob": c.logprob, "bytes": list(c.text.encode())} for c in row]
            return {"content": [{**entry, "top_logprobs": [entry][:top]} for entry in entries]}
        return {
            "text_offset": [0 for _ in row],
            "token_logprobs": [chunk.logprob for chunk in row],
            "tokens": [chunk.text for chunk in row],
            "top_logprobs": [{chunk.text: chunk.logprob} for chunk in row],
        }

    def _usage(self, rows: list[list[Chunk]]) -> dict[str, Any]:
        generated = sum(len(row) for row in rows)
        return {
            "prompt_tokens": len(self._ids),
            "total_tokens": len(self._ids) + generated,
            "completion_tokens": generated,
            "prompt_tokens_details": None,
        }


def _event(data: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(data, separators=(",", ":")).encode() + b"\n\n"
