"""Arithmetic: `What is (3 + 4) * 5?`. Each step works out one operation and writes down what remains."""

import re
from dataclasses import dataclass, replace
from random import Random

from .expressions import (
    Expression,
    Operation,
    Operator,
    apply,
    evaluate,
    operations,
    parse,
    reduce_first,
    show,
)
from .problem import Problem
from .wording import Wording


@dataclass(frozen=True, slots=True)
class Limits:
    """How large a level's expressions grow; all bounds are inclusive."""

    operations: tuple[int, int]
    operand: int
    large_factor: int
    small_factor: int
    value: int
    product_weight: float = 2.4  # against 3 for a sum, 3 for a difference and 1 for a quotient
    above: int = 0  # `can_make` asks for a larger number; of 60,000 drawn problems of a level, each has one

    @property
    def divisor(self) -> int:
        """The largest divisor."""
        return min(self.small_factor, _LARGEST_DIVISOR)

    @property
    def result(self) -> int:
        """The largest result of a division."""
        return max(3, self.operand // 6)


LEVELS = {
    1: Limits((1, 2), operand=20, large_factor=9, small_factor=9, value=200),
    2: Limits((2, 3), operand=99, large_factor=30, small_factor=9, value=900, above=1),
    3: Limits((3, 4), operand=300, large_factor=99, small_factor=30, value=9_000, above=9),
    4: Limits((4, 5), operand=999, large_factor=150, small_factor=60, value=99_999, product_weight=3.2, above=20),
    5: Limits((5, 7), operand=999, large_factor=300, small_factor=99, value=999_999, product_weight=3.2, above=20),
}
SHORT = replace(LEVELS[3], operations=(1, 2), above=0)
"""What the solutions of level 3 come to on their way (`..., so it becomes 47 + 85.`), asked as a question."""
FRAMES = ("What is %s?", "Compute %s.", "Calculate %s.", "Evaluate %s.")

_OPERATORS: tuple[Operator, ...] = ("+", "-", "*", "/")
_PLUS_OR_MINUS: tuple[Operator, ...] = ("+", "-")
_PLUS: tuple[Operator, ...] = ("+",)
_PLUS_OR_TIMES: tuple[Operator, ...] = ("+", "*")
_LARGEST_DIVISOR, _LARGEST_MULTIPLIER = 12, 12  # a quotient that is multiplied is small


def make(rng: Random, level: int) -> Problem:
    """One arithmetic problem; every part of its expression is a natural number."""
    return make_within(rng, level, LEVELS[level])


def make_within(rng: Random, level: int, limits: Limits) -> Problem:
    """One arithmetic problem within explicit limits."""
    expression = _draw(rng, limits)
    text = show(expression)
    frame = rng.choice(FRAMES)
    question = frame % (text if rng.random() < 0.9 else text.replace(" ", ""))
    steps, answer = _work_out(expression)
    return Problem("arithmetic", level, question, steps, str(answer))


def _draw(rng: Random, limits: Limits) -> Operation:
    while True:
        expression = _grow(rng, rng.randint(*limits.operations), limits)
        if isinstance(expression, Operation) and _fits(expression, limits):
            return expression


def _fits(expression: Operation, limits: Limits) -> bool:
    for part in operations(expression):
        left, right = evaluate(part.left), evaluate(part.right)
        if left is None or right is None:
            return False
        value = apply(part.operator, left, right)
        if value is None or value > limits.value:
            return False
        too_large = max(left, right) > limits.large_factor or min(left, right) > limits.small_factor
        if part.operator == "*" and too_large:
            return False
    return True


def _grow(rng: Random, count: int, limits: Limits) -> Expression:
    """Return an expression of `count` operations; it may still break the limits."""
    if count == 0:
        return rng.randint(1, limits.operand)
    operator = rng.choices(_OPERATORS, [3, 3, limits.product_weight, 1])[0]
    if operator == "*":
        return _grow_product(rng, count, limits)
    if operator == "/":
        return _grow_quotient(rng, count, limits)
    split = rng.randint(0, count - 1)
    return Operation(operator, _grow(rng, split, limits), _grow(rng, count - 1 - split, limits))


def _grow_product(rng: Random, count: int, limits: Limits) -> Expression:
    if count > 1 and rng.random() < 0.6:
        factor = _grow(rng, count - 1, limits)
        if 0 < (evaluate(factor) or 0) <= limits.large_factor:
            return Operation("*", factor, rng.randint(2, limits.small_factor))
    operator = rng.choice(_PLUS_OR_MINUS) if count > 1 else None
    product = Operation("*", rng.randint(2, limits.large_factor), rng.randint(2, limits.small_factor))
    return Operation(operator, product, _grow(rng, count - 2, limits)) if operator else product


def _grow_quotient(rng: Random, count: int, limits: Limits) -> Expression:
    divisor = rng.randint(2, limits.divisor)
    result = rng.randint(2, limits.result)
    quotient = Operation("/", divisor * result, divisor)
    if count == 1:
        return quotient
    if rng.random() < 0.5:
        return Operation(rng.choice(_PLUS_OR_MINUS), _grow(rng, count - 2, limits), quotient)
    operator = rng.choice(_PLUS_OR_TIMES if result <= _LARGEST_MULTIPLIER else _PLUS)
    return Operation(operator, quotient, _grow(rng, count - 2, limits))


def _work_out(expression: Expression) -> tuple[tuple[str, ...], int]:
    steps: list[str] = []
    while isinstance(expression, Operation):
        expression, done, value = reduce_first(expression)
        rest = f", so it becomes {show(expression)}" if isinstance(expression, Operation) else ""
        steps.append(f"{show(done)} = {value}{rest}.")
    return tuple(steps), expression


_WORDS = {"plus": "+", "minus": "-", "times": "*", "multiplied by": "*", "divided by": "/"}
_WORD = re.compile(r"\b(plus|minus|times|multiplied by|divided by)\b")
_CROSS = re.compile(r"(?<=[\d)]) x (?=[\d(])|(?<=\d)x(?=\d)")
_FRAME_OF = {"compute": FRAMES[1], "calculate": FRAMES[2], "evaluate": FRAMES[3]}
_MOST_OPERATIONS, _LARGEST = LEVELS[5].operations[1], LEVELS[5].value


def canonical(wording: Wording) -> str | None:
    """Return the question in the family's words, or None if it is no arithmetic of the family's size.

    Where a part is negative, a fraction or above level 5's bounds, the question is not one of the family.
    """
    body = _CROSS.sub(" * ", _WORD.sub(lambda word: _WORDS[word[1]], wording.body))
    try:
        expression = parse(body)
    except ValueError:
        return None
    if not _in_reach(expression):
        return None
    frame, text = _FRAME_OF.get(wording.verb, FRAMES[0]), show(_brackets_first(expression))
    unspaced = frame % text.replace(" ", "")  # a tenth of the family is written so
    return unspaced if wording.raw == unspaced else frame % text


def _brackets_first(expression: Expression) -> Expression:
    """Write a number times a bracket as the bracket times the number: the family has only the latter."""
    if isinstance(expression, int):
        return expression
    left, right = _brackets_first(expression.left), _brackets_first(expression.right)
    if expression.operator == "*" and isinstance(left, int) and not isinstance(right, int):
        left, right = right, left
    return Operation(expression.operator, left, right)


def _in_reach(expression: Expression) -> bool:
    parts = operations(expression)
    if not 1 <= len(parts) <= _MOST_OPERATIONS:
        return False
    numbers = [part for node in parts for part in (node, node.left, node.right)]
    values = [evaluate(number) for number in numbers]
    return all(value is not None and value <= _LARGEST for value in values)


_STEP = re.compile(r"([0-9]{1,9} [-+*/] [0-9]{1,9}) = ([0-9]{1,9})(?:, so it becomes ([0-9+\-*/() ]+))?\.")


def read_step(step: str) -> tuple[str, int, str] | None:
    """Return an operation's text, its claimed value, and the expression that remains (the value, at the end)."""
    match = _STEP.fullmatch(step)
    return (match[1], int(match[2]), match[3] or match[2]) if match else None


_QUESTION = re.compile(r"(?:What is|Compute|Calculate|Evaluate) ([0-9+\-*/() ]+)[?.]")


def expression_in(question: str) -> str | None:
    """Return the expression's text inside a question of this kind, in the family's words; else None."""
    match = _QUESTION.fullmatch(question)
    return match[1] if match else None


def can_make(question: str) -> bool:
    """Tell whether some level draws this question, given in the family's words, or comes to it on the way.

    `1 + 1 + 1 + 1 + 1 + 1` does not count, though it is not impossible: long expressions have larger numbers.
    """
    try:
        expression = parse(expression_in(question) or "")
    except ValueError:
        return False
    return any(_can_draw(expression, limits) for limits in (*LEVELS.values(), SHORT))


def _can_draw(expression: Expression, limits: Limits) -> bool:
    parts, (fewest, most) = operations(expression), limits.operations
    if not fewest <= len(parts) <= most or not isinstance(expression, Operation):
        return False
    numbers = [number for part in parts for number in (part.left, part.right) if isinstance(number, int)]
    return max(numbers) > limits.above and _fits(expression, limits) and _can_grow(expression, limits)


def _can_grow(expression: Expression, limits: Limits) -> bool:
    """Tell whether `_grow` returns this expression for some random numbers."""
    if isinstance(expression, int):
        return 1 <= expression <= limits.operand
    if expression.operator == "*":
        return _can_grow_product(expression, limits)
    if expression.operator == "/":
        return _can_grow_quotient(expression, limits)
    return _can_grow(expression.left, limits) and _can_grow(expression.right, limits)


def _can_grow_product(product: Operation, limits: Limits) -> bool:
    left, right = product.left, product.right
    if isinstance(right, int) and 2 <= right <= limits.small_factor:
        if isinstance(left, int):
            return 2 <= left <= limits.large_factor
        if _can_grow(left, limits) and 0 < (evaluate(left) or 0) <= limits.large_factor:
            return True
    quotient = isinstance(left, Operation) and left.operator == "/" and _can_grow_quotient(left, limits)
    return quotient and (evaluate(left) or 0) <= _LARGEST_MULTIPLIER and _can_grow(right, limits)


def _can_grow_quotient(quotient: Operation, limits: Limits) -> bool:
    if isinstance(quotient.left, Operation) or isinstance(quotient.right, Operation):
        return False
    result = evaluate(quotient) or 0
    return 2 <= quotient.right <= limits.divisor and 2 <= result <= limits.result
