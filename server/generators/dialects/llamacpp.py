"""llama.cpp's server: the prompt is rendered and tokenized once, and token ids are continued.

Endpoints after llama.cpp, tools/server/README.md. Its own field `verbose` returns each piece's token ids and what a
sample has stopped at. Several samples of one call would need as many of its slots free at once, so each has its own.
"""

from collections.abc import Mapping
from typing import Any

from router.ports import Draw
from router.types import Problem

from .dialect import Ask, Order, Prompt, field, sampling, steps_end, token_ids, turns

_ORDER = ("penalties", "temperature", "top_k", "top_p", "min_p")
"""In which samplers apply: temperature first, as elsewhere, not last."""


_LONGEST = 32_768
"""Tokens a repetition is looked for in, where the context is not known: it allocates room for them."""


class LlamaCpp:
    """Token ids in, token ids out, one sample a call."""

    seeds = 2**32 - 1
    """They are uint32, and the largest asks for a random one."""

    headers: Mapping[str, str] = {"Connection": "close"}
    """It closes the connection after each stream, and does not say so."""

    def __init__(self, model: str, *, context: int | None = None, system: str | None = None) -> None:
        self.model, self._context, self._system = model, context, system

    def continues(self) -> bool:
        """Return True."""
        return True

    def together(self, draw: Draw) -> int:
        """Return 1."""
        del draw
        return 1

    async def prompt(self, problem: Problem, ask: Ask) -> Prompt:
        """Render with the server's own template, and tokenize."""
        body: dict[str, Any] = {"messages": turns(problem, self._system)}
        if kwargs := problem.extra.get("chat_template_kwargs"):
            body["chat_template_kwargs"] = kwargs
        text = field(await ask("/apply-template", body), "prompt", str)
        ids = token_ids(await ask("/tokenize", {"content": text}))
        return Prompt(len(ids), self._context, ids=ids)

    async def body(self, order: Order, ask: Ask) -> tuple[str, dict[str, Any]]:
        """Order from /v1/completions, as tokens. What it would do unasked, to the probabilities, is switched off."""
        del ask
        extra = order.draw.problem.extra
        behind = (order.text,) if order.ids is None else order.ids
        body = {"top_k": 0, "min_p": 0.0, "samplers": _ORDER, "cache_prompt": True} | sampling(order, self.model)
        body |= {"prompt": [*order.prompt.ids, *behind], "verbose": True}
        if "repetition_penalty" in body:
            body |= {"repeat_penalty": body.pop("repetition_penalty"), "repeat_last_n": self._context or _LONGEST}
        if extra.get("logprobs"):
            body["logprobs"] = max(1, extra.get("top_logprobs") or 0)  # 0 means none to it
        if not order.draw.whole:
            steps_end(body)
        return "/v1/completions", body
