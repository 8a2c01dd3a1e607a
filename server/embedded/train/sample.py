r"""Samples of the generator on fresh problems of one split, with an exact label for every step.

What:     draws the problems, decodes the samples with the engine that serves, and checks answers and steps.
Command:  python -m server.embedded.train.sample --split calibration --per-level 160 --samples 32 --seed 41 \
              --out /tmp/samples.jsonl
Time:     about four minutes on one core (800 problems, 1.8 million tokens).
Seed:     --seed, for the problems and for the sampling.
"""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from router.extraction import extract
from router.ports import Tally
from router.types import Message
from server.embedded.checkpoint import load
from server.embedded.decoding import Decoder
from server.embedded.llama import Llama
from server.embedded.orders import DecodeOrder, Request
from server.embedded.prefixes import PrefixTree
from server.embedded.problems.checker import check_steps, is_correct
from server.embedded.problems.problem import Problem
from server.embedded.problems.splits import Split, draw
from server.embedded.tokenizer import Tokenizer
from server.embedded.train.records import Record, Sampled, write

TEMPERATURE = 0.8
_MAX_TOKENS = 320
_ROWS = 128
_CACHE_BYTES = 16 * 2**20
_GENERATOR = Path(__file__).parents[1] / "weights" / "generator"


class Sampler:
    """Draws `count` samples per problem from one generator."""

    def __init__(self, folder: Path, count: int, seed: int) -> None:
        self._tokenizer = Tokenizer(folder)
        model, prefixes = Llama(load(folder)), PrefixTree(_CACHE_BYTES)
        self._decoder = Decoder(model, prefixes, self._tokenizer.banned, _ROWS, time.monotonic)
        self._count, self._seed = count, seed

    def records(self, problems: Sequence[Problem]) -> list[Record]:
        """Return a record per problem, in their order (they are done in another: quick ones first)."""
        orders = [self._order(problem, index) for index, problem in enumerate(problems)]
        found = {order: dict[int, tuple[int, ...]]() for order in orders}
        while self._decoder.busy:
            for order, index, completion in self._decoder.step():
                found[order][index] = completion.ids
        return [
            self._record(problem, order.request.tokens, [found[order][i] for i in range(self._count)])
            for problem, order in zip(problems, orders, strict=True)
        ]

    def _order(self, problem: Problem, index: int) -> DecodeOrder:
        first = self._seed * 10**9 + index * self._count
        request = Request(
            tokens=self._tokenizer.prompt([Message("user", problem.question)]),
            seeds=tuple(range(first, first + self._count)),
            temperature=TEMPERATURE,
            top_p=1.0,
            max_tokens=_MAX_TOKENS,
        )
        order = DecodeOrder(request, Tally())
        self._decoder.submit(order)
        return order

    def _record(self, problem: Problem, prompt: Sequence[int], samples: Sequence[tuple[int, ...]]) -> Record:
        labelled = [labelled_sample(problem, ids, self._tokenizer.decode(ids)) for ids in samples]
        return Record(problem.question, problem.kind, problem.level, list(prompt), labelled)


def labelled_sample(problem: Problem, ids: Sequence[int], text: str) -> Sampled:
    """Check one sample: its answer by value, its steps exactly."""
    answer = extract(text)
    right = answer is not None and is_correct(problem, answer)
    return Sampled(list(ids), text, right, check_steps(problem, text))


def main() -> None:
    """Draw, sample, label and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--split", choices=get_args(Split), default="calibration")
    parser.add_argument("--per-level", type=int, default=160, help="problems per level")
    parser.add_argument("--samples", type=int, default=32, help="samples per problem")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True, help="a .jsonl file")
    parser.add_argument("--generator", type=Path, default=_GENERATOR, help="the folder of a checkpoint")
    options = parser.parse_args()
    problems = draw(options.split, options.per_level, options.seed)
    sampler = Sampler(options.generator, options.samples, options.seed)
    print(f"{write(options.out, sampler.records(problems))} problems in {options.out}")


if __name__ == "__main__":
    main()
