"""Problems to packed token rows: the training data.

What:     fresh problems of the train split, each with its canonical solution, encoded with the chat template and
          packed into rows of 512 tokens; only the solution's tokens are to be predicted. The test and the
          calibration split are never drawn.
Command:  python -m server.embedded.train.pack --problems 134000 --seed 31002 --out /tmp/rows.npz
Time:     about a minute on one core for 134,000 problems (14 million tokens).
Seed:     31002 for the verifier's continued training.
"""

import argparse
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from random import Random
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from server.embedded.problems.family import LEVELS, make, solution
from server.embedded.problems.problem import Problem
from server.embedded.problems.splits import split_of

CONTEXT = 512
LEVEL_WEIGHTS = (1, 1, 2, 3, 3)
"""How often levels 1 to 5 are drawn when the verifier is trained on: the hard ones are what it is for."""
TOKENIZER = Path(__file__).parents[1] / "weights" / "generator" / "tokenizer.json"
_AT_A_TIME = 1_000


class Example(NamedTuple):
    """One problem as tokens: the whole sequence, and how many of its first tokens are the prompt."""

    ids: list[int]
    prompt: int


class Rows(NamedTuple):
    """Packed examples, both (rows, context): token ids (0 pads), and which tokens are to be predicted."""

    ids: NDArray[np.uint16]
    predicted: NDArray[np.bool_]


def train_problems(rng: Random, count: int, level_weights: Sequence[float] = LEVEL_WEIGHTS) -> Iterator[Problem]:
    """Yield problems of the train split only; repeats are possible where a level has few problems."""
    while count > 0:
        problem = make(rng, level=rng.choices(LEVELS, level_weights)[0])
        if split_of(problem.question) == "train":
            count -= 1
            yield problem


def encode(tokenizer: Tokenizer, problems: Sequence[Problem]) -> list[Example]:
    """Encode each problem as `<|bos|><|user|>question<|assistant|>solution<|eos|>`."""
    bos, user, assistant, eos = tokenizer.encode("<|bos|><|user|><|assistant|><|eos|>").ids
    questions = tokenizer.encode_batch([problem.question for problem in problems])
    solutions = tokenizer.encode_batch([solution(problem) for problem in problems])
    return [
        Example([bos, user, *question.ids, assistant, *answer.ids, eos], len(question.ids) + 3)
        for question, answer in zip(questions, solutions, strict=True)
    ]


def pack(examples: Iterable[Example], context: int = CONTEXT) -> Rows:
    """Lay whole examples side by side into rows, in order; one longer than a row is left out.

    A row holds several examples that can attend to each other's tokens; their positions therefore vary,
    which the models take without harm.
    """
    ids: list[list[int]] = [[]]
    predicted: list[list[bool]] = [[]]
    for example in examples:
        if len(example.ids) > context:
            continue
        if len(ids[-1]) + len(example.ids) > context:
            ids.append([])
            predicted.append([])
        ids[-1] += example.ids
        predicted[-1] += [False] * example.prompt + [True] * (len(example.ids) - example.prompt)
    return Rows(
        np.array([row + [0] * (context - len(row)) for row in ids], np.uint16),
        np.array([row + [False] * (context - len(row)) for row in predicted], np.bool_),
    )


def _encoded(tokenizer: Tokenizer, problems: Iterator[Problem]) -> Iterator[Example]:
    batch: list[Problem] = []
    for problem in problems:
        batch.append(problem)
        if len(batch) == _AT_A_TIME:
            yield from encode(tokenizer, batch)
            batch = []
    yield from encode(tokenizer, batch)


def main() -> None:
    """Draw, encode, pack and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--problems", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True, help="an .npz file")
    parser.add_argument("--level-weights", type=float, nargs=5, default=LEVEL_WEIGHTS, metavar="WEIGHT")
    parser.add_argument("--tokenizer", type=Path, default=TOKENIZER, help="a tokenizer.json")
    options = parser.parse_args()
    problems = train_problems(Random(options.seed), options.problems, options.level_weights)
    rows = pack(_encoded(Tokenizer.from_file(str(options.tokenizer)), problems))
    np.savez(options.out, ids=rows.ids, predicted=rows.predicted)
    print(f"{len(rows.ids)} rows, {(rows.ids > 0).sum()} tokens, {rows.predicted.sum()} to predict")


if __name__ == "__main__":
    main()
