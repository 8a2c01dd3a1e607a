"""Arithmetic expressions over whole numbers: a small tree, its text, its parser and its value."""

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

Operator = Literal["+", "-", "*", "/"]
LONGEST = 200
"""Longer texts are no expressions of this family; the bound also bounds the depth of the tree."""

_MOST_PARENTHESES = 40

_PRECEDENCE: dict[str, int] = {"+": 1, "-": 1, "*": 2, "/": 2}
_ALLOWED = re.compile(r"[0-9+\-*/() ]+")
_TOKEN = re.compile(r"[0-9]+|[-+*/()]")


@dataclass(frozen=True, slots=True)
class Operation:
    """An operator between two expressions."""

    operator: Operator
    left: "Expression"
    right: "Expression"


Expression = int | Operation


def apply(operator: str, left: int, right: int) -> int | None:
    """Return the result in the natural numbers with zero, or None where it is negative or a fraction."""
    if operator == "+":
        return left + right
    if operator == "-":
        return left - right if left >= right else None
    if operator == "*":
        return left * right
    return left // right if right > 0 and left % right == 0 else None


def evaluate(expression: Expression) -> int | None:
    """Return the value in the natural numbers, or None if any part of the expression leaves them."""
    if isinstance(expression, int):
        return expression
    left, right = evaluate(expression.left), evaluate(expression.right)
    return None if left is None or right is None else apply(expression.operator, left, right)


def operations(expression: Expression) -> list[Operation]:
    """Every operation of the tree, a parent before its parts."""
    if isinstance(expression, int):
        return []
    return [expression, *operations(expression.left), *operations(expression.right)]


def show(expression: Expression) -> str:
    """Return the text with spaces around operators and parentheses where the reading order needs them.

    A right operand of the same precedence keeps its parentheses, so that the text has exactly one tree.
    """
    if isinstance(expression, int):
        return str(expression)
    left = _show_part(expression.left, expression.operator, on_the_right=False)
    right = _show_part(expression.right, expression.operator, on_the_right=True)
    return f"{left} {expression.operator} {right}"


def _show_part(part: Expression, parent: str, *, on_the_right: bool) -> str:
    if isinstance(part, int):
        return str(part)
    gap = _PRECEDENCE[part.operator] - _PRECEDENCE[parent]
    return f"({show(part)})" if gap < 0 or (on_the_right and gap == 0) else show(part)


def reduce_first(expression: Operation) -> tuple[Expression, Operation, int]:
    """Work out the first operation of two numbers, left parts first.

    Returns the remaining expression, that operation, and its value. Raises ValueError if the value is no
    natural number.
    """
    left, right = expression.left, expression.right
    if isinstance(left, Operation):
        rest, done, value = reduce_first(left)
        return Operation(expression.operator, rest, right), done, value
    if isinstance(right, Operation):
        rest, done, value = reduce_first(right)
        return Operation(expression.operator, left, rest), done, value
    result = apply(expression.operator, left, right)
    if result is None:
        raise ValueError(f"{show(expression)} is no natural number")
    return result, expression, result


def tokens(text: str) -> list[str]:
    """Return the numbers, operators and parentheses of a text, in order."""
    return _TOKEN.findall(text)


def parse(text: str) -> Expression:
    """Read an expression of whole numbers, + - * / and parentheses; raises ValueError for anything else."""
    deep = len(text) > LONGEST or text.count("(") > _MOST_PARENTHESES
    if deep or not _ALLOWED.fullmatch(text):
        raise ValueError("not an arithmetic expression")
    reader = _Reader(tokens(text))
    expression = reader.sum()
    if reader.next is not None:
        raise ValueError(f"unexpected {reader.next!r}")
    return expression


def rational(text: str) -> Fraction | None:
    """Return the exact value of a text, fractions and negative parts allowed; None if it has none."""
    try:
        return _rational(parse(text))
    except (ValueError, ZeroDivisionError):
        return None


def _rational(expression: Expression) -> Fraction:
    if isinstance(expression, int):
        return Fraction(expression)
    left, right = _rational(expression.left), _rational(expression.right)
    match expression.operator:
        case "+":
            return left + right
        case "-":
            return left - right
        case "*":
            return left * right
        case _:
            return left / right


class _Reader:
    """Recursive descent over a list of tokens: sums of products of atoms, to the left."""

    def __init__(self, tokens: list[str]) -> None:
        self._tokens = tokens
        self._at = 0

    @property
    def next(self) -> str | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def _take(self) -> str:
        token = self.next
        if token is None:
            raise ValueError("the expression ends too early")
        self._at += 1
        return token

    def sum(self) -> Expression:
        left = self._product()
        while (operator := self.next) == "+" or operator == "-":
            self._at += 1
            left = Operation(operator, left, self._product())
        return left

    def _product(self) -> Expression:
        left = self._atom()
        while (operator := self.next) == "*" or operator == "/":
            self._at += 1
            left = Operation(operator, left, self._atom())
        return left

    def _atom(self) -> Expression:
        token = self._take()
        if token.isdecimal():
            return int(token)
        if token != "(":
            raise ValueError(f"unexpected {token!r}")
        inside = self.sum()
        if self._take() != ")":
            raise ValueError("a parenthesis is not closed")
        return inside
