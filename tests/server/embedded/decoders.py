"""A decoder under test, and what its greedy tokens must be."""

from dataclasses import dataclass, field, replace

import numpy as np

from router.ports import Tally
from server.embedded.decoding import Decoder
from server.embedded.llama import Llama
from server.embedded.orders import Completion, DecodeOrder, Request
from server.embedded.prefixes import PrefixTree

from .checkpoints import SIZES, plain_logprobs, random_tensors

PROMPT = (1, 3, 50, 60, 70, 4)
REQUEST = Request(PROMPT, (0,), temperature=0.0, top_p=1.0, max_tokens=10)
TENSORS = random_tensors()


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Bench:
    """A decoder with a clock of its own, and what it has delivered."""

    model: Llama
    max_rows: int = 256
    cache: int = 2**24
    banned: tuple[int, ...] = ()
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self.prefixes = PrefixTree(self.cache)
        self.decoder = Decoder(self.model, self.prefixes, self.banned, self.max_rows, self.clock)
        self.done: list[tuple[DecodeOrder, int, Completion]] = []

    def order(self, request: Request) -> DecodeOrder:
        order = DecodeOrder(request, Tally())
        self.decoder.submit(order)
        return order

    def finish(self) -> None:
        while self.decoder.busy:
            self.done += self.decoder.step()

    def run(self, request: Request) -> list[Completion]:
        order = self.order(request)
        self.finish()
        return self.of(order)

    def of(self, order: DecodeOrder) -> list[Completion]:
        mine = sorted((index, completion) for o, index, completion in self.done if o is order)
        return [completion for _, completion in mine]


def assert_plain(completion: Completion, prompt: tuple[int, ...] = PROMPT) -> None:
    """Greedy tokens and their log-probabilities are those of the plain computation."""
    tokens = [*prompt, *completion.ids]
    after = plain_logprobs(TENSORS, SIZES, tokens)[len(prompt) - 1 : -1]
    assert after.argmax(-1).tolist() == list(completion.ids)
    np.testing.assert_allclose(completion.logprobs, after.max(-1), atol=1e-4)


def assert_same(a: Completion, b: Completion) -> None:
    assert (a.ids, a.finish) == (b.ids, b.finish)
    np.testing.assert_allclose(a.logprobs, b.logprobs, atol=1e-3)


def first_tokens(model: Llama, count: int) -> tuple[int, ...]:
    return Bench(model).run(replace(REQUEST, max_tokens=count))[0].ids
