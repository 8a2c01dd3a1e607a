"""A server that answers as vLLM's pooling runner and its prompt log-probabilities do, over a made-up model."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from aiohttp import web
from aiohttp.test_utils import TestServer

Pooled = Literal["ALL", "STEP", "LAST", "NONE"]


def logits(tokens: tuple[int, ...], position: int) -> list[float]:
    """What the made-up model says of the text up to `position`: two numbers that depend on all of it."""
    return [float(sum(tokens[: position + 1])), float(tokens[position]) - position]


def logprob(tokens: tuple[int, ...], position: int) -> float:
    """What it gives to the token at `position` after those before it."""
    return -0.01 * (sum(tokens[:position]) + tokens[position])


@dataclass
class VllmServer:
    """`pooled` and `tag` are what vLLM calls tok_pooling_type and step_tag_id, `width` the columns of its head."""

    pooled: Pooled = "ALL"
    tag: int = 5
    width: int = 2
    context: int = 64
    calls: list[dict[str, Any]] = field(default_factory=list)
    faults: list[web.Response] = field(default_factory=list)
    """Replies that come first, one a call."""
    reversed: bool = False
    models: Any = None
    url: str = ""

    @asynccontextmanager
    async def serving(self) -> AsyncGenerator[str]:
        app = web.Application(client_max_size=1 << 26)
        app.add_routes([web.get("/v1/models", self._models), web.get("/health", self._health)])
        if self.pooled == "NONE":
            app.add_routes([web.post("/v1/completions", self._completions)])
        else:
            app.add_routes([web.post("/pooling", self._pooling)])
        async with TestServer(app) as server:
            self.url = f"http://{server.host}:{server.port}"
            yield self.url

    async def _models(self, _: web.Request) -> web.Response:
        model = {"id": "prm", "object": "model", "owned_by": "vllm", "root": "x", "max_model_len": self.context}
        return web.json_response({"object": "list", "data": [model]} if self.models is None else self.models)

    async def _health(self, _: web.Request) -> web.Response:
        return web.Response()

    async def _taken(
        self, request: web.Request, field_name: str
    ) -> "tuple[list[tuple[int, ...]], web.Response | None]":
        body = await request.json()
        self.calls.append(body)
        texts = [tuple(tokens) for tokens in body[field_name]]
        if self.faults:
            return texts, self.faults.pop(0)
        if body["model"] != "prm":
            blamed = "model" if self.pooled == "NONE" else None
            return texts, error(404, f"The model `{body['model']}` does not exist.", blamed)
        if max(map(len, texts)) > self.context:
            return texts, error(400, f"This model's maximum context length is {self.context} tokens.", "input_tokens")
        return texts, None

    async def _pooling(self, request: web.Request) -> web.Response:
        texts, fault = await self._taken(request, "input")
        if fault:
            return fault
        data = [{"index": i, "object": "pooling", "data": self._pool(tokens)} for i, tokens in enumerate(texts)]
        return self._reply({"id": "pooling-1", "object": "list", "model": "prm"}, "data", data)

    def _pool(self, tokens: tuple[int, ...]) -> Any:
        rows = [(logits(tokens, i) * self.width)[: self.width] for i in range(len(tokens))]
        if self.pooled == "LAST":
            return rows[-1]
        return [row for row, token in zip(rows, tokens, strict=True) if self.pooled == "ALL" or token == self.tag]

    async def _completions(self, request: web.Request) -> web.Response:
        texts, fault = await self._taken(request, "prompt")
        if fault:
            return fault
        wanted = self.calls[-1].get("prompt_logprobs") is not None
        choices = [
            {
                "index": i,
                "text": "x",
                "logprobs": None,
                "finish_reason": "length",
                "prompt_logprobs": _prompt_logprobs(tokens) if wanted else None,
            }
            for i, tokens in enumerate(texts)
        ]
        return self._reply({"id": "cmpl-1", "object": "text_completion", "model": "prm"}, "choices", choices)

    def _reply(self, head: dict[str, Any], name: str, entries: list[dict[str, Any]]) -> web.Response:
        return web.json_response({**head, name: entries[::-1] if self.reversed else entries})


def error(status: int, message: str, param: str | None = None) -> web.Response:
    body = {"error": {"message": message, "type": "BadRequestError", "param": param, "code": status}}
    return web.json_response(body, status=status)


def _prompt_logprobs(tokens: tuple[int, ...]) -> list[dict[str, Any] | None]:
    entry = {"rank": 3, "decoded_token": "x"}
    return [None, *({str(tokens[i]): {"logprob": logprob(tokens, i), **entry}} for i in range(1, len(tokens)))]
