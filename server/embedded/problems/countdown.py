"""Countdown: `Use 3, 5, 7 to make 22.`: each number once, natural numbers all the way."""

import re
from dataclasses import dataclass
from functools import lru_cache
from random import Random

from .expressions import Expression, Operation, Operator, apply, parse, show, tokens
from .problem import Problem
from .wording import Wording

QUESTION = "Use %s to make %d."
_LEAST_TARGET = 5
_LARGEST_PART = 300  # of a canonical solution
_LARGEST_SEARCHED = 10_000  # of the search for any solution


@dataclass(frozen=True, slots=True)
class Limits:
    """How many numbers a level has, their largest, and the largest target."""

    count: int
    number: int
    target: int


LEVELS = {
    1: Limits(2, 12, 60),
    2: Limits(3, 9, 50),
    3: Limits(3, 20, 100),
    4: Limits(4, 13, 60),
    5: Limits(4, 25, 100),  # half of the time with a fifth number
}
_ONE_MORE_AT = 5


@dataclass(frozen=True, slots=True)
class _Tile:
    value: int
    expression: Expression


def make(rng: Random, level: int) -> Problem:
    """One countdown problem; it has at least the solution it comes with."""
    limits, one_more = LEVELS[level], rng.random() < 0.5
    count = limits.count + (one_more and level == _ONE_MORE_AT)
    while True:
        numbers = [rng.randint(1, limits.number) for _ in range(count)]
        played = _play(rng, numbers)
        if played and _LEAST_TARGET <= played[0].value <= limits.target and played[0].value not in numbers:
            break
    last, steps = played
    shown = numbers.copy()
    rng.shuffle(shown)
    question = QUESTION % (", ".join(map(str, shown)), last.value)
    return Problem("countdown", level, question, tuple(steps), show(last.expression))


def _play(rng: Random, numbers: list[int]) -> tuple[_Tile, list[str]] | None:
    """Join two tiles at random until one is left; None where the play grows too large or idles."""
    tiles: list[_Tile] = [_Tile(number, number) for number in numbers]
    steps = list[str]()
    while len(tiles) > 1:
        pair = rng.sample(range(len(tiles)), 2)
        first, second = (tiles[i] for i in pair)
        if first.value < second.value:
            first, second = second, first
        operator, value = rng.choice(_moves(first.value, second.value))
        idle = operator in ("*", "/") and second.value == 1
        if value > _LARGEST_PART or (idle and rng.random() < 0.8):
            return None
        joined = _Tile(value, Operation(operator, first.expression, second.expression))
        tiles = [tile for i, tile in enumerate(tiles) if i not in pair] + [joined]
        left = ", leaving " + ", ".join(str(tile.value) for tile in tiles) if len(tiles) > 1 else ""
        steps.append(f"{first.value} {operator} {second.value} = {value}{left}.")
    return tiles[0], steps


def _moves(large: int, small: int) -> list[tuple[Operator, int]]:
    """Return the moves of two numbers, the larger first, whose results are positive and whole."""
    moves: list[tuple[Operator, int]] = [("+", large + small), ("*", large * small)]
    if large > small:
        moves.append(("-", large - small))
    if small > 0 and large % small == 0:
        moves.append(("/", large // small))
    return moves


@lru_cache(maxsize=100_000)
def reachable(numbers: tuple[int, ...], target: int, largest: int = _LARGEST_SEARCHED) -> bool:
    """Tell whether all these numbers (sorted), each used once, can still make the target.

    No part of the solution is above `largest`.
    """
    if len(numbers) == 1:
        return numbers[0] == target
    for i, small in enumerate(numbers):
        for j in range(i + 1, len(numbers)):
            rest = numbers[:i] + numbers[i + 1 : j] + numbers[j + 1 :]
            for _, value in _moves(numbers[j], small):
                if value <= largest and reachable(tuple(sorted((*rest, value))), target, largest):
                    return True
    return False


_NUMBER = "[0-9]{1,9}"
_SEVERAL = f"{_NUMBER}(?:, {_NUMBER})*"
_ASKED = re.compile(rf"Use ({_SEVERAL}) to make ({_NUMBER})\.")
_STEP = re.compile(rf"({_NUMBER}) ([-+*/]) ({_NUMBER}) = ({_NUMBER})(?:, leaving ({_SEVERAL}))?\.")


def asked(question: str) -> tuple[list[int], int] | None:
    """Return the numbers and the target of a question of this kind, in the family's words; else None."""
    match = _ASKED.fullmatch(question)
    return (_numbers(match[1]), int(match[2])) if match else None


def can_make(question: str) -> bool:
    """Tell whether some level draws this question, given in the family's words: in range, and with a solution."""
    found = asked(question)
    if found is None or not any(_in_range(*found, level) for level in LEVELS):
        return False
    numbers, target = found
    return reachable(tuple(sorted(numbers)), target, _LARGEST_PART)


def _in_range(numbers: list[int], target: int, level: int) -> bool:
    limits, more = LEVELS[level], len(numbers) - LEVELS[level].count
    few_enough = more == 0 or (more == 1 and level == _ONE_MORE_AT)
    small = min(numbers) >= 1 and max(numbers) <= limits.number
    return few_enough and small and _LEAST_TARGET <= target <= limits.target and target not in numbers


def _numbers(text: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", text)]


def after_step(step: str, numbers: list[int]) -> list[int] | None:
    """Return the numbers that remain after a step, or None if the step is wrong about them or about its result."""
    match = _STEP.fullmatch(step)
    if match is None:
        return None
    first, second, value = int(match[1]), int(match[3]), int(match[4])
    left = numbers.copy()
    for number in (first, second):
        if number not in left:
            return None
        left.remove(number)
    left.append(value)
    claimed = _numbers(match[5]) if match[5] else [value]
    says_the_end = match[5] is None
    right = sorted(claimed) == sorted(left) and says_the_end == (len(left) == 1)
    return left if right and apply(match[2], first, second) == value else None


def uses_each_once(answer: str, numbers: list[int]) -> bool:
    """Tell whether an expression holds exactly these numbers; raises ValueError for any other text."""
    parse(answer)
    return sorted(int(token) for token in tokens(answer) if token.isdecimal()) == sorted(numbers)


_LIST = r"(?:the )?(?:numbers )?(?P<numbers>\d{1,2}(?:(?: ?, ?and | ?, ?| and | & | )\d{1,2}){1,4})"
_TARGET = r"(?P<target>\d{1,3})"
_USE = re.compile(rf"(?:use|using|with|from) {_LIST} ?,? ?(?:to )?(?:make|reach|get) {_TARGET}")
_MAKE = re.compile(rf"(?:make|reach|get) {_TARGET} (?:by )?(?:from|using|with|out of) {_LIST}")


def canonical(wording: Wording) -> str | None:
    """Return the question in the family's words, or None if it is no countdown of the family's size."""
    match = _USE.fullmatch(wording.body) or _MAKE.fullmatch(wording.body)
    if match is None or wording.verb:
        return None
    return QUESTION % (", ".join(map(str, _numbers(match["numbers"]))), int(match["target"]))
