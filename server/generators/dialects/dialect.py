"""What differs between servers: how a question is rendered, and how continuations of it are ordered."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from typing import Any, Protocol, cast

import orjson

from router.ports import Draw
from router.types import Problem
from server.upstream import Unreachable

from ..text import SEPARATOR

Ask = Callable[[str, Mapping[str, Any]], Awaitable[Any]]
"""POST a JSON object to a path of some replica, and return the JSON of the answer."""

Turns = tuple[Mapping[str, str], ...]

MOST_SEED = 2**63
"""Seeds are below it: int64 is what servers parse."""

UNKNOWN_CONTEXT = 32_768
"""Tokens, for servers that do not tell and operators that do not either."""


@dataclass(frozen=True)
class Prompt:
    """A question as a server reads it: rendered to token ids, or left as a conversation.

    `tokens` is its length, `context` that of the model, None where nobody says it.
    """

    tokens: int
    context: int | None
    ids: tuple[int, ...] = ()
    turns: Turns = ()

    @cached_property
    def key(self) -> bytes:
        """What all calls of this question have in common: replicas are chosen by it."""
        return blake2b(orjson.dumps(self.ids or self.turns), digest_size=16).digest()


@dataclass(frozen=True, slots=True)
class Order:
    """`count` continuations of `prompt` and the `text` behind it, with seeds from `seed` on, of `most` tokens each.

    `ids` are the tokens of the text, None where they are not known; `written` is their number. `live` says that
    somebody reads along; without `bounded` the server has refused `most` and is cut here.
    """

    prompt: Prompt
    draw: Draw
    text: str
    ids: tuple[int, ...] | None
    written: int
    count: int
    seed: int
    most: int
    live: bool = False
    bounded: bool = True


class Dialect(Protocol):
    """One way of asking. Has no state of its own, and does no I/O but through `ask`."""

    @property
    def model(self) -> str:
        """The id under which the servers know the model."""
        ...

    @property
    def seeds(self) -> int:
        """Seeds are taken modulo this."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """What its calls carry besides."""
        ...

    def continues(self) -> bool:
        """Return whether text can be continued, not only begun."""
        ...

    def together(self, draw: Draw) -> int:
        """Return how many samples of `draw` may share one call."""
        ...

    async def prompt(self, problem: Problem, ask: Ask) -> Prompt:
        """Render a question. Raises UpstreamError."""
        ...

    async def body(self, order: Order, ask: Ask) -> tuple[str, dict[str, Any]]:
        """Return the path of the call and the object to post there. Raises UpstreamError."""
        ...


def turns(problem: Problem, system: str | None) -> Turns:
    """Return the conversation, with `system` in front where it says nothing of the kind itself."""
    asked = tuple({"role": message.role, "content": message.content} for message in problem.messages)
    if system is None or any(turn["role"] in ("system", "developer") for turn in asked):
        return asked
    return ({"role": "system", "content": system}, *asked)


def sampling(order: Order, model: str) -> dict[str, Any]:
    """Return the fields all servers know by the same names, and those of the client's they may know."""
    draw, problem = order.draw, order.draw.problem
    body: dict[str, Any] = {key: value for key, value in problem.extra.items() if key not in _OURS}
    body |= {
        "model": model,
        "n": order.count,
        "seed": order.seed,
        "temperature": draw.temperature,
        "top_p": problem.top_p,
        "max_tokens": order.most,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    if stops := [stop for stop in problem.stop if stop]:
        body["stop"] = stops
    if least := problem.extra.get("min_tokens"):
        body["min_tokens"] = min(order.most, max(0, least - order.written))
    return body


def field(reply: Any, name: str, kind: type) -> Any:
    """Return what must be in a server's answer. Raises Unreachable when it is not."""
    value = cast("Mapping[str, Any]", reply).get(name) if isinstance(reply, dict) else None
    if not isinstance(value, kind):
        raise Unreachable(f"the server answered without {name}")
    return value


def token_ids(reply: Any) -> tuple[int, ...]:
    """Return the tokens of an answer. Raises Unreachable when there are none."""
    ids = tuple(field(reply, "tokens", list))
    if not all(isinstance(token, int) for token in ids):
        raise Unreachable("the server answered with tokens that are no ids")
    return ids


def steps_end(body: dict[str, Any]) -> None:
    """Let the server end each sample at a blank line, and keep it."""
    body["stop"] = [*body.get("stop", ()), *([] if SEPARATOR in body.get("stop", ()) else [SEPARATOR])]
    body["include_stop_str_in_output"] = True


_OURS = frozenset({"chat_template_kwargs", "logprobs", "top_logprobs", "min_tokens"})
"""Fields that go elsewhere, or change on their way."""
