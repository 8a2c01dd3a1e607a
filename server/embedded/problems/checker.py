"""The exact check of an answer and of each step of a solution."""

import re
from fractions import Fraction

from . import arithmetic, countdown, equation
from .expressions import rational, tokens
from .problem import Problem, step_block
from .wording import plain_signs

_NUMBER = re.compile(r"[+-]?[0-9]{1,18}(?:\.[0-9]{1,18}|/[0-9]{1,18})?")
_BOXED = re.compile(r"\\boxed\{([^{}]*)\}")
_FINAL = "Therefore"
_FREE_ORDER = (
    "arithmetic",
    "equation",
    "countdown",
)  # a right solution may be shorter than the canonical one


def is_correct(problem: Problem, answer: str) -> bool:
    """Tell whether this answer is right.

    A number is compared by value: `12.0`, `+12`, `012` and `24/2` are all 12. The answer of a countdown is
    an expression that holds each given number once and has the target as its exact value.
    """
    text = plain_signs(answer)
    if problem.kind == "countdown":
        return _makes_the_target(problem, text)
    value = _number(text)
    return value is not None and value == int(problem.answer)


def _makes_the_target(problem: Problem, answer: str) -> bool:
    numbers, target = _asked(problem)
    try:
        return countdown.uses_each_once(answer, numbers) and rational(answer) == target
    except ValueError:
        return False


def _asked(problem: Problem) -> tuple[list[int], int]:
    asked = countdown.asked(problem.question)
    if asked is None:
        raise ValueError(f"not a countdown question: {problem.question!r}")
    return asked


def _number(text: str) -> Fraction | None:
    compact = text.replace(" ", "")
    try:
        return Fraction(compact) if _NUMBER.fullmatch(compact) else None
    except ZeroDivisionError:
        return None


def check_steps(problem: Problem, text: str) -> list[bool]:
    """Tell for each block of a solution, the final line included, whether all up to its end is right.

    Blocks are separated by blank lines; a trailing blank line opens no block, so a partial solution can be
    checked. Arithmetic, equation and countdown steps are checked by their meaning (any order of operations,
    any true equation that has the same solution, any move that can still reach the target); the other
    kinds have one natural course and are compared with it.
    """
    blocks = text.rstrip("\n").split("\n\n") if text.strip() else []
    course, labels, right = _Course(problem), list[bool](), True
    for index, block in enumerate(blocks):
        if block.startswith(_FINAL):
            right = right and index == len(blocks) - 1 and course.may_end(index, block)
        else:
            head = step_block(index + 1, "")
            right = right and block.startswith(head) and course.follows(index, block.removeprefix(head))
        labels.append(right)
    return labels


class _Course:
    """A solution on its way: what remains to be worked out after the steps so far."""

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self._expression = arithmetic.expression_in(problem.question) or ""
        self._numbers, self._target = _asked(problem) if problem.kind == "countdown" else ([], 0)

    def may_end(self, steps: int, final: str) -> bool:
        """Tell whether this final line is right after this many right steps."""
        boxed = _BOXED.findall(final)
        complete = steps == len(self._problem.steps) or self._problem.kind in _FREE_ORDER
        return complete and bool(boxed) and is_correct(self._problem, boxed[-1])

    def follows(self, index: int, step: str) -> bool:
        """Is this step right after the steps so far? A right one is taken."""
        match self._problem.kind:
            case "arithmetic":
                return self._reduces(step)
            case "countdown":
                return self._plays(step)
            case "equation":
                return equation.step_holds(step, int(self._problem.answer))
            case _:
                return index < len(self._problem.steps) and step == self._problem.steps[index]

    def _reduces(self, step: str) -> bool:
        read = arithmetic.read_step(step)
        if read is None:
            return False
        operation, value, rest = read
        shorter = len(tokens(rest)) < len(tokens(self._expression))
        if not shorter or rational(operation) != value or rational(rest) != int(self._problem.answer):
            return False
        self._expression = rest
        return True

    def _plays(self, step: str) -> bool:
        left = countdown.after_step(step, self._numbers)
        if left is None or not countdown.reachable(tuple(sorted(left)), self._target):
            return False
        self._numbers = left
        return True
