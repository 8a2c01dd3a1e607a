"""Remainders: `What is (3 * 4 + 5) mod 7?` and, from level 4 on, powers by repeated multiplication."""

import re
from random import Random

from .problem import Problem
from .wording import Wording


def make(rng: Random, level: int) -> Problem:
    """One problem of modular arithmetic."""
    match level:
        case 1:
            return _sum(rng)
        case 2:
            return _product(rng)
        case 3:
            return product_and_sum(rng, 3, modulus=25, left=30, right=20)
        case 4:
            return power(rng, 4, modulus=(11, 40), exponent=(3, 5))
        case _:
            return power(rng, 5, modulus=(30, 99), exponent=(5, 8))


def _sum(rng: Random) -> Problem:
    modulus, a, b = rng.randint(2, 9), rng.randint(2, 50), rng.randint(2, 50)
    return _problem(1, f"({a} + {b})", modulus, [f"{a} + {b} = {a + b}."], a + b)


def _product(rng: Random) -> Problem:
    modulus, a, b = rng.randint(3, 15), rng.randint(2, 20), rng.randint(2, 9)
    return _problem(2, f"({a} * {b})", modulus, [f"{a} * {b} = {a * b}."], a * b)


def product_and_sum(rng: Random, level: int, *, modulus: int, left: int, right: int) -> Problem:
    """Return `(a * b + c) mod m`; the arguments are inclusive upper bounds of m, a and b."""
    m, a, b, c = rng.randint(3, modulus), rng.randint(2, left), rng.randint(2, right), rng.randint(1, 50)
    steps = [f"{a} * {b} = {a * b}.", f"{a * b} + {c} = {a * b + c}."]
    return _problem(level, f"({a} * {b} + {c})", m, steps, a * b + c)


def _problem(level: int, text: str, modulus: int, steps: list[str], value: int) -> Problem:
    last = f"{value} mod {modulus} = {value % modulus}."
    question = f"What is {text} mod {modulus}?"
    return Problem("modular", level, question, (*steps, last), str(value % modulus))


def power(rng: Random, level: int, *, modulus: tuple[int, int], exponent: tuple[int, int]) -> Problem:
    """`a^k mod m`, multiplying by a and reducing k - 1 times."""
    m, k = rng.randint(*modulus), rng.randint(*exponent)
    a = rng.randint(2, m - 1)
    steps, value = list[str](), a
    for _ in range(k - 1):
        product = value * a
        steps.append(f"{value} * {a} = {product}, and {product} mod {m} = {product % m}.")
        value = product % m
    return Problem("modular", level, f"What is {a}^{k} mod {m}?", tuple(steps), str(value))


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
