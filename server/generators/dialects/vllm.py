"""vLLM: the chat template is rendered once, to token ids, and what is continued are token ids.

/tokenize and the fields return_token_ids, include_stop_str_in_output and stop_reason are vLLM's own:
docs.vllm.ai, "OpenAI-Compatible Server".
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from router.ports import Draw
from router.types import Problem

from .dialect import MOST_SEED, Ask, Order, Prompt, field, sampling, steps_end, token_ids, turns

INTERVAL = 8
"""Tokens an event has where nobody reads along: reading events is what a sample costs the gateway (bench/fanout.py).

A sample that is cut may have up to 7 tokens more than were seen of it, which nobody is told.
"""

ALONE = 32
"""The same for a whole answer that is drawn alone: no vote ends it early, only its deadline can."""


class VLLM:
    """Token ids in, token ids out."""

    seeds = MOST_SEED
    headers: Mapping[str, str] = MappingProxyType({})

    def __init__(self, model: str, *, system: str | None = None, samples_per_call: int = 64) -> None:
        self.model, self._system, self._samples = model, system, samples_per_call

    def continues(self) -> bool:
        """Return True."""
        return True

    def together(self, draw: Draw) -> int:
        """Return all that fit one call; vLLM refuses several greedy samples."""
        return self._samples if draw.temperature > 0 else 1

    async def prompt(self, problem: Problem, ask: Ask) -> Prompt:
        """Render and tokenize with the server's own template."""
        body: dict[str, Any] = {
            "model": self.model,
            "messages": turns(problem, self._system),
            "add_generation_prompt": True,
        }
        if kwargs := problem.extra.get("chat_template_kwargs"):
            body["chat_template_kwargs"] = kwargs
        reply = await ask("/tokenize", body)
        ids = token_ids(reply)
        return Prompt(len(ids), field(reply, "max_model_len", int), ids=ids)

    async def body(self, order: Order, ask: Ask) -> tuple[str, dict[str, Any]]:
        """Order from /v1/completions, as tokens."""
        ids = order.ids
        if ids is None:  # a server that returns no ids, or text that was cut within a token
            request = {"model": self.model, "prompt": order.text, "add_special_tokens": False}
            ids = token_ids(await ask("/tokenize", request))
        body = sampling(order, self.model)
        body |= {"prompt": [*order.prompt.ids, *ids], "return_token_ids": True}
        if order.draw.problem.extra.get("logprobs"):
            body["logprobs"] = order.draw.problem.extra.get("top_logprobs") or 0
        if not order.live:
            body["stream_interval"] = ALONE if order.count == 1 and order.draw.whole else INTERVAL
        if not order.draw.whole:
            steps_end(body)
        if "stop" in body:  # or else text that may become a stop string is held back, and lost where the call breaks
            body["include_stop_str_in_output"] = True
        return "/v1/completions", body
