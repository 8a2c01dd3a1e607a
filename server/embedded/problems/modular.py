"""Remainders: `What is (3 * 4 + 5) mod 7?` and, from level 4 on, powers by repeated multiplication."""

import re
from dataclasses import dataclass
from random import Random

from .problem import Problem
from .wording import Wording

_Range = tuple[int, int]
"""A least and a largest number, both inclusive."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The ranges of the modulus m and of the numbers in `(a + b) mod m`, `(a * b) mod m` and `(a * b + c) mod m`."""

    m: _Range
    a: _Range
    b: _Range
    c: _Range = (1, 50)


@dataclass(frozen=True, slots=True)
class PowerLimits:
    """The ranges of the modulus and of the exponent in `a^k mod m`, where a is from 2 to m - 1."""

    m: _Range
    k: _Range


SUM = Limits(m=(2, 9), a=(2, 50), b=(2, 50))
PRODUCT = Limits(m=(3, 15), a=(2, 20), b=(2, 9))
PRODUCT_AND_SUM = Limits(m=(3, 25), a=(2, 30), b=(2, 20))
POWERS = {4: PowerLimits(m=(11, 40), k=(3, 5)), 5: PowerLimits(m=(30, 99), k=(5, 8))}


def make(rng: Random, level: int) -> Problem:
    """One problem of modular arithmetic."""
    match level:
        case 1:
            return _sum(rng)
        case 2:
            return _product(rng)
        case 3:
            return _product_and_sum(rng, 3, PRODUCT_AND_SUM)
        case _:
            return power(rng, level, POWERS[level])


def _sum(rng: Random) -> Problem:
    modulus, a, b = rng.randint(*SUM.m), rng.randint(*SUM.a), rng.randint(*SUM.b)
    return _problem(1, f"({a} + {b})", modulus, [f"{a} + {b} = {a + b}."], a + b)


def _product(rng: Random) -> Problem:
    modulus, a, b = rng.randint(*PRODUCT.m), rng.randint(*PRODUCT.a), rng.randint(*PRODUCT.b)
    return _problem(2, f"({a} * {b})", modulus, [f"{a} * {b} = {a * b}."], a * b)


def product_and_sum(rng: Random, level: int, *, modulus: int, left: int, right: int) -> Problem:
    """Return `(a * b + c) mod m`; the arguments are inclusive upper bounds of m, a and b."""
    return _product_and_sum(rng, level, Limits(m=(3, modulus), a=(2, left), b=(2, right)))


def _product_and_sum(rng: Random, level: int, limits: Limits) -> Problem:
    m, a, b, c = (rng.randint(*bounds) for bounds in (limits.m, limits.a, limits.b, limits.c))
    steps = [f"{a} * {b} = {a * b}.", f"{a * b} + {c} = {a * b + c}."]
    return _problem(level, f"({a} * {b} + {c})", m, steps, a * b + c)


def _problem(level: int, text: str, modulus: int, steps: list[str], value: int) -> Problem:
    last = f"{value} mod {modulus} = {value % modulus}."
    question = f"What is {text} mod {modulus}?"
    return Problem("modular", level, question, (*steps, last), str(value % modulus))


def power(rng: Random, level: int, limits: PowerLimits) -> Problem:
    """`a^k mod m`, multiplying by a and reducing k - 1 times."""
    m, k = rng.randint(*limits.m), rng.randint(*limits.k)
    a = rng.randint(2, m - 1)
    steps, value = list[str](), a
    for _ in range(k - 1):
        product = value * a
        steps.append(f"{value} * {a} = {product}, and {product} mod {m} = {product % m}.")
        value = product % m
    return Problem("modular", level, f"What is {a}^{k} mod {m}?", tuple(steps), str(value))


_QUESTION = re.compile(r"What is (?:\((\d+) ([+*]) (\d+)(?: \+ (\d+))?\)|(\d+)\^(\d+)) mod (\d+)\?")


def can_make(question: str) -> bool:
    """Tell whether some level draws this question, given in the family's words."""
    match = _QUESTION.fullmatch(question)
    if match is None:
        return False
    m = int(match[7])
    if match[5]:
        return _is_power(int(match[5]), int(match[6]), m)
    shape = SUM if match[2] == "+" else PRODUCT_AND_SUM if match[4] else PRODUCT
    in_range = _within(m, shape.m) and _within(int(match[1]), shape.a) and _within(int(match[3]), shape.b)
    return in_range and (match[4] is None or _within(int(match[4]), shape.c))


def _is_power(a: int, k: int, m: int) -> bool:
    return 2 <= a < m and any(_within(m, limits.m) and _within(k, limits.k) for limits in POWERS.values())


def _within(number: int, bounds: _Range) -> bool:
    return bounds[0] <= number <= bounds[1]


_NUMBER = r"\d{1,4}"
_REMAINDER = re.compile(rf"(?:the )?remainder (?:when|of|if) (.+?) (?:is )?divided by ({_NUMBER})")
_BODY = re.compile(rf"(.+?) ?(?:modulo|mod|%) ?({_NUMBER})")
_SINGLE = re.compile(_NUMBER)
_POWER = re.compile(rf"({_NUMBER}) ?\^ ?(\d{{1,2}})")
_GROUP = re.compile(rf"\( ?({_NUMBER}) ?([+*]) ?({_NUMBER})(?: ?\+ ?({_NUMBER}))? ?\)")


def canonical(wording: Wording) -> str | None:
    """Return the question in the family's words, or None if it is no remainder of the family's form.

    Without parentheses `3 + 4 mod 5` has two readings, so it is not taken for a problem of the family.
    """
    match = _REMAINDER.fullmatch(wording.body) or _BODY.fullmatch(wording.body)
    if match is None or int(match[2]) == 0:
        return None
    text = _canonical_dividend(match[1])
    return f"What is {text} mod {int(match[2])}?" if text else None


def _canonical_dividend(text: str) -> str | None:
    if _SINGLE.fullmatch(text):
        return str(int(text))
    if match := _POWER.fullmatch(text):
        return f"{int(match[1])}^{int(match[2])}"
    match = _GROUP.fullmatch(text)
    if match is None or (match[2] == "+" and match[4]):
        return None
    addend = f" + {int(match[4])}" if match[4] else ""
    return f"({int(match[1])} {match[2]} {int(match[3])}{addend})"
