"""Any other server with /v1/chat/completions: the conversation is sent as it is, and the prompt's length is a guess."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from router.ports import Draw
from router.types import Problem
from server.upstream import Refused

from .dialect import MOST_SEED, UNKNOWN_CONTEXT, Ask, Order, Prompt, Turns, sampling, turns

_BYTES_PER_TOKEN = 3
"""About what tokenizers need for English; digits, formulas and a template's own words take more than is guessed."""

_TOKENS_PER_TURN = 8


class Chat:
    """Conversations in, text out. Continues text only where the server takes a last assistant message as begun."""

    seeds = MOST_SEED
    headers: Mapping[str, str] = MappingProxyType({})

    def __init__(
        self,
        model: str,
        *,
        context: int | None = None,
        system: str | None = None,
        prefill: bool = False,
        samples_per_call: int = 64,
    ) -> None:
        self.model, self._context, self._system = model, context, system
        self._prefill, self._samples = prefill, samples_per_call

    def continues(self) -> bool:
        """Return whether the operator has said so."""
        return self._prefill

    def together(self, draw: Draw) -> int:
        """Return 1 for greedy samples, and for steps: they are cut here, which ends the call."""
        return self._samples if draw.temperature > 0 and (draw.whole or not self._prefill) else 1

    async def prompt(self, problem: Problem, ask: Ask) -> Prompt:
        """Keep the conversation."""
        del ask
        asked = turns(problem, self._system)
        return Prompt(_guess(asked), self._context, turns=asked)

    async def body(self, order: Order, ask: Ask) -> tuple[str, dict[str, Any]]:
        """Order from /v1/chat/completions; text to continue is a last assistant message."""
        del ask
        body = sampling(order, self.model) | {"messages": order.prompt.turns}
        extra = order.draw.problem.extra
        if not (order.bounded and self._bounds(order)):
            del body["max_tokens"]
        body |= {key: extra[key] for key in ("chat_template_kwargs", "logprobs", "top_logprobs") if key in extra}
        if order.text:
            if not self._prefill:
                raise Refused(400, "this server cannot continue text")
            last = {"role": "assistant", "content": order.text}
            # The two fields are what vLLM and SGLang call it; others continue such a message without being told.
            body |= {"messages": (*order.prompt.turns, last)}
            body |= {"continue_final_message": True, "add_generation_prompt": False}
        return "/v1/chat/completions", body

    def _bounds(self, order: Order) -> bool:
        """Return whether `most` is less than all the context, whose rest is a guess that the server may refuse."""
        room = (self._context or UNKNOWN_CONTEXT) - order.prompt.tokens - order.written
        return order.most < room


def _guess(asked: Turns) -> int:
    return sum(len(turn["content"].encode()) // _BYTES_PER_TOKEN + _TOKENS_PER_TURN for turn in asked)
