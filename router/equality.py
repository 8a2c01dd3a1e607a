r"""When two answers are the same answer: cheaply, exactly and safely.

`key` maps an answer to something hashable, so that grouping N answers takes N look-ups. Numbers, fractions and
simple expressions are compared by value (1/2, 0.5 and \frac{1}{2} are one answer), lists member by member,
everything else by its text. Full mathematical equivalence can replace it: whatever has the type `Equivalence`.
"""

import re
from collections.abc import Callable, Hashable
from fractions import Fraction
from functools import lru_cache
from math import isqrt

Equivalence = Callable[[str], Hashable]
"""Two answers are equal when their keys are."""

_LONGEST = 200
_DEEPEST = 30
_LARGEST_EXPONENT = 64
_LARGEST_BITS = 4096

_TOKEN = re.compile(r"\s*(?:(\d+(?:\.\d*)?|\.\d+)(?:[eE]([+-]?\d{1,3})(?![\d.]))?|(\*\*|[-+*/^()]|sqrt|frac))")
_THOUSANDS = re.compile(r"(?<![\d.])\d{1,3}(?:,\d{3})+(?![\d,])")
_MIXED = re.compile(r"^\s*([-+]?)(\d+)\s+(\d+\s*/\s*\d+)\s*$")
_SIGNS = str.maketrans({"−": "-", "–": "-", "×": "*", "·": "*", "÷": "/", "∗": "*", "⁄": "/", "{": "(", "}": ")"})
_WORDS = (
    (re.compile(r"\\left|\\right|\\displaystyle|\\[,;:!> ]"), ""),
    (re.compile(r"\\[dtc]?frac\s*(\d)\s*(\d)(?!\d)"), r" frac(\1)(\2)"),
    (re.compile(r"\\[dtc]?frac"), " frac"),
    (re.compile(r"\\sqrt"), " sqrt"),
    (re.compile(r"\\(?:times|cdot|ast)(?![a-zA-Z])"), "*"),
    (re.compile(r"\\div(?![a-zA-Z])"), "/"),
)

_FOLDED = (
    (re.compile(r"\s+|\\[,;:! ]|\\(?:left|right|displaystyle)(?![a-zA-Z])"), ""),
    (re.compile(r"\\[dtc]frac"), r"\\frac"),
    (re.compile(r"\\(frac|sqrt)(\d)"), r"\\\1{\2}"),
    (re.compile(r"(\\frac\{\d\})(\d)"), r"\1{\2}"),
    (re.compile(r"−|–"), "-"),
)


class _NotANumber(Exception):
    """The text is not an expression this module evaluates."""


@lru_cache(4096)
def key(answer: str) -> Hashable:
    """Return what identifies `answer` among its equals: a Fraction, a tuple of keys, or its folded text."""
    text = answer.strip()
    if members := _members(text):  # first: (100,200) is a pair, not a number of six digits
        return (text[0], *(key(m) for m in members), text[-1])
    if (value := number(text)) is not None:
        return value
    for pattern, plain in _FOLDED:
        text = pattern.sub(plain, text)
    return text.casefold()


def number(text: str) -> Fraction | None:
    """Return the exact value of a number, fraction or simple expression, or None for anything else."""
    if len(text) > _LONGEST:
        return None
    text = _THOUSANDS.sub(lambda m: m.group().replace(",", ""), text)
    if mixed := _MIXED.match(text):
        text = f"{mixed[1]}({mixed[2]}+{mixed[3]})"
    for pattern, plain in _WORDS:
        text = pattern.sub(plain, text)
    try:
        return _Expression(text.translate(_SIGNS)).value()
    except (_NotANumber, ZeroDivisionError):
        return None


def _members(text: str) -> list[str]:
    """Split a bracketed list at its outermost commas; empty when the text is no list."""
    if not (3 <= len(text) <= _LONGEST and text[0] in "([{" and text[-1] in ")]}"):
        return []
    members, depth, start = list[str](), 0, 1
    for i, c in enumerate(text[1:-1], 1):
        depth += (c in "([{") - (c in ")]}")
        if c == "," and depth == 0:
            members.append(text[start:i])
            start = i + 1
    return [*members, text[start:-1]] if members else []


class _Expression:
    """A recursive-descent evaluator over exact fractions, bounded in length, depth and size of numbers."""

    def __init__(self, text: str) -> None:
        self._tokens = list[str | Fraction]()
        at = 0
        text = text.strip()
        while at < len(text):
            token = _TOKEN.match(text, at)
            if token is None:
                raise _NotANumber
            self._tokens.append(token[3] or Fraction(token[1]) * Fraction(10) ** int(token[2] or 0))
            at = token.end()
        self._at = 0
        self._depth = 0

    def value(self) -> Fraction:
        value = self._sum()
        if self._at != len(self._tokens):
            raise _NotANumber
        return value

    def _peek(self) -> str | Fraction | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def _take(self, *wanted: str) -> str | None:
        token = self._peek()
        if isinstance(token, str) and token in wanted:
            self._at += 1
            return token
        return None

    def _sum(self) -> Fraction:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise _NotANumber
        value = self._product()
        while sign := self._take("+", "-"):
            term = self._product()
            value = _bounded(value + term if sign == "+" else value - term)
        self._depth -= 1
        return value

    def _product(self) -> Fraction:
        value = self._signed()
        while True:
            if self._take("*"):
                value *= self._signed()
            elif self._take("/"):
                value /= self._signed()
            elif self._peek() in ("(", "sqrt"):  # 2(3 + 4)
                value *= self._power()
            else:
                return value
            value = _bounded(value)

    def _signed(self) -> Fraction:
        sign = 1
        while token := self._take("+", "-"):
            sign = -sign if token == "-" else sign
        return sign * self._power()

    def _power(self) -> Fraction:
        base = self._atom()
        if not self._take("^", "**"):
            return base
        self._depth += 1  # towers of powers recurse without brackets
        if self._depth > _DEEPEST:
            raise _NotANumber
        exponent = self._signed()
        self._depth -= 1
        if exponent.denominator != 1 or abs(exponent) > _LARGEST_EXPONENT:
            raise _NotANumber
        if max(base.numerator.bit_length(), base.denominator.bit_length()) * abs(exponent) > _LARGEST_BITS:
            raise _NotANumber
        return base ** int(exponent)

    def _atom(self) -> Fraction:
        token = self._peek()
        if isinstance(token, Fraction):
            self._at += 1
            # 1\frac{1}{2} is one and a half
            return token + self._fraction() if self._take("frac") else token
        if self._take("frac"):
            return self._fraction()
        if self._take("sqrt"):
            return _root(self._bracket())
        return self._bracket()

    def _fraction(self) -> Fraction:
        return self._bracket() / self._bracket()

    def _bracket(self) -> Fraction:
        if not self._take("("):
            raise _NotANumber
        value = self._sum()
        if not self._take(")"):
            raise _NotANumber
        return value


def _bounded(value: Fraction) -> Fraction:
    if max(value.numerator.bit_length(), value.denominator.bit_length()) > _LARGEST_BITS:
        raise _NotANumber
    return value


def _root(value: Fraction) -> Fraction:
    if value < 0:
        raise _NotANumber
    top, bottom = isqrt(value.numerator), isqrt(value.denominator)
    if (top * top, bottom * bottom) != (value.numerator, value.denominator):
        raise _NotANumber
    return Fraction(top, bottom)
