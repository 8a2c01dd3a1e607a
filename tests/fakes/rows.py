"""What the fake vLLM generates: our own tiny model, and its tokens as vLLM would hand them out."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from router.ports import Tally
from router.types import Finish, Message
from server.embedded.checkpoint import load as load_checkpoint
from server.embedded.engine import Engine
from server.embedded.llama import Llama
from server.embedded.orders import Completion, Request
from server.embedded.tokenizer import Tokenizer

_GENERATOR = Path(__file__).parents[2] / "server" / "embedded" / "weights" / "generator"
BLOCK = 16
"""Tokens that the prefix cache keeps or misses together."""


@dataclass(slots=True)
class Chunk:
    """One token of one choice: what it adds to the text, and what it ends."""

    token: int
    text: str
    logprob: float
    finish: str | None = None
    stop: str | None = None


@dataclass(slots=True)
class Order:
    """The sampling parameters of one call, as far as the fake has them."""

    n: int
    seed: int
    temperature: float
    top_p: float
    max_tokens: int
    stops: tuple[str, ...] = ()
    keep_stop: bool = False


@dataclass(slots=True)
class Cache:
    """Counts what a prefix cache of infinite size would hit."""

    queries: int = 0
    hits: int = 0
    _known: set[tuple[int, ...]] = field(default_factory=set[tuple[int, ...]])

    def ask(self, ids: Sequence[int]) -> int:
        """Return the tokens of `ids` that are known; the last one is always computed."""
        hit = 0
        while hit + BLOCK < len(ids) and tuple(ids[: hit + BLOCK]) in self._known:
            hit += BLOCK
        self.queries += len(ids)
        self.hits += hit
        return hit

    def keep(self, ids: Sequence[int]) -> None:
        """Remember all blocks of `ids`."""
        self._known |= {tuple(ids[:end]) for end in range(BLOCK, len(ids) + 1, BLOCK)}


class Model:
    """The embedded generator, without anything the server puts around it."""

    def __init__(self) -> None:
        self.tokenizer = Tokenizer(_GENERATOR)
        self.engine = Engine(Llama(load_checkpoint(_GENERATOR)), banned=self.tokenizer.banned, name="fake vllm")
        self.context = self.engine.model.config.context
        self.cache = Cache()

    def rendered(self, messages: Sequence[dict[str, Any]], *, unfinished: bool = False) -> tuple[int, ...]:
        """Return the ids of a conversation up to where the answer begins, or goes on where it is `unfinished`."""
        turns = [Message(turn["role"], turn["content"]) for turn in messages]
        if not unfinished:
            return self.tokenizer.prompt(turns)
        return self.tokenizer.prompt(turns[:-1]) + self.tokenizer.encode(turns[-1].content)

    async def rows(self, ids: tuple[int, ...], order: Order) -> list[list[Chunk]]:
        """Generate all choices of one prompt."""
        self.cache.ask(ids)
        request = Request(
            tokens=ids,
            seeds=tuple(range(order.seed, order.seed + order.n)),
            temperature=order.temperature,
            top_p=order.top_p,
            max_tokens=order.max_tokens,
            step_end=self.tokenizer.separator if "\n\n" in order.stops else None,
        )
        done = {index: row async for index, row in self.engine.generate(request, Tally())}
        for row in done.values():
            self.cache.keep((*ids, *row.ids))
        return [self._chunks(done[index], order) for index in range(order.n)]

    def _chunks(self, row: Completion, order: Order) -> list[Chunk]:
        """Cut a row at its first stop string; hold text back as long as it may be a part of one."""
        decode, text, given, chunks = self.tokenizer.incremental(), "", 0, list[Chunk]()
        hold = 0 if order.keep_stop else max(map(len, order.stops), default=1) - 1
        for token, logprob in zip(row.ids, row.logprobs, strict=True):
            text += decode(self.tokenizer.bytes_of(token))
            hits = [(text.index(stop), stop) for stop in order.stops if stop in text]
            if hits:
                at, stop = min(hits)
                end = at + len(stop) if order.keep_stop else at
                return [*chunks, Chunk(token, text[given:end], float(logprob), "stop", stop)]
            end = max(given, len(text) - hold)
            chunks.append(Chunk(token, text[given:end], float(logprob)))
            given = end
        if chunks:
            chunks[-1].text += text[given:]
            chunks[-1].finish = "length" if row.finish is Finish.LENGTH else "stop"
        return chunks
