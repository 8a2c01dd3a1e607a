"""The record of one problem, and the text of its solution."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Literal

Kind = Literal["arithmetic", "quantities", "word", "equation", "modular", "countdown"]

FINAL = "Therefore, the final answer is: $\\boxed{%s}$."
"""The last block of every solution; `%s` stands for the answer."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A question, the steps of its canonical solution, and its answer.

    `steps` come without their `## Step k: ` heads and without the final line. `answer` is a whole number,
    or, for the countdown kind, an arithmetic expression (one of many that are right).
    """

    kind: Kind
    level: int
    question: str
    steps: tuple[str, ...]
    answer: str


Maker = Callable[[Random, int], Problem]
"""Makes one problem of a kind, at a level from 1 to 5, from a random number generator."""


def step_block(number: int, step: str) -> str:
    """One block of a solution, counted from 1: `## Step 1: 3 + 4 = 7.`."""
    return f"## Step {number}: {step}"


def solution(problem: Problem) -> str:
    """Return the canonical solution: one block a step and the final line, separated by blank lines."""
    blocks = [step_block(number, step) for number, step in enumerate(problem.steps, start=1)]
    return "\n\n".join([*blocks, FINAL % problem.answer])
