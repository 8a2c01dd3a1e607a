"""Chains of named quantities: `Ann has 5 coins. Ben has 2 more coins than Ann. How many ...?`."""

import re
from dataclasses import dataclass
from itertools import pairwise
from random import Random
from typing import Literal

from .cast import ITEM, ITEMS, NAME, NAMES, NUMBER, named, owns, sentences
from .problem import Problem
from .wording import Wording

_Relation = Literal["more", "fewer", "times", "half"]
_RELATIONS: tuple[_Relation, ...] = ("more", "fewer", "times", "half")


@dataclass(frozen=True, slots=True)
class Limits:
    """How many people, the largest number said, the largest multiple, the largest quantity."""

    people: int
    number: int
    multiple: int
    quantity: int


LEVELS = {
    1: Limits(2, 20, 4, 99),
    2: Limits(3, 40, 5, 300),
    3: Limits(4, 90, 9, 900),
    4: Limits(5, 300, 12, 5_000),
    5: Limits(7, 900, 19, 30_000),
}


@dataclass(frozen=True, slots=True)
class _Link:
    """How one quantity follows from another: the fact told, the sum that works it out, and the result."""

    fact: str
    sum: str
    value: int


def make(rng: Random, level: int) -> Problem:
    """One chain; from level 2 on its facts come in any order."""
    limits = LEVELS[level]
    count = limits.people + (rng.random() < 0.3)
    people, item = rng.sample(NAMES, count), rng.choice(ITEMS)
    value = rng.randint(2, limits.number)
    facts, steps = [f"{people[0]} has {value} {item}."], list[str]()
    for before, person in pairwise(people):
        link = _draw_link(rng, limits, person, item, before, value)
        value = link.value
        facts.append(link.fact)
        steps.append(f"{person} has {link.sum} = {value} {item}.")
    if level >= 2:
        rng.shuffle(facts)
    return Problem("quantities", level, _question(facts, item, people[-1]), tuple(steps), str(value))


def _question(facts: list[str], item: str, person: str) -> str:
    return f"{' '.join(facts)} How many {item} does {person} have?"


def _draw_link(rng: Random, limits: Limits, person: str, item: str, other: str, value: int) -> _Link:
    while True:
        relation = rng.choices(_RELATIONS, [3, 3, 2, 1])[0]
        number = rng.randint(2, limits.multiple if relation == "times" else limits.number)
        if relation == "half" and value % 2:
            continue
        result, sum_ = _apply(relation, value, number)
        if 1 <= result <= limits.quantity:
            return _Link(_fact(person, relation, number, item, other), sum_, result)


def _apply(relation: _Relation, value: int, number: int) -> tuple[int, str]:
    match relation:
        case "more":
            return value + number, f"{value} + {number}"
        case "fewer":
            return value - number, f"{value} - {number}"
        case "times":
            return value * number, f"{value} * {number}"
        case _:
            return value // 2, f"{value} / 2"


def _fact(person: str, relation: _Relation, number: int, item: str, other: str) -> str:
    match relation:
        case "more" | "fewer":
            return f"{person} has {number} {relation} {item} than {other}."
        case "times":
            return f"{person} has {number} times as many {item} as {other}."
        case _:
            return f"{person} has half as many {item} as {other}."


_MORE = re.compile(rf"({NAME}) has ({NUMBER}) (more|fewer|less) ({ITEM}) than ({NAME})")
_TIMES = re.compile(rf"({NAME}) has (?:({NUMBER}) times|twice|(half)) as many ({ITEM}) as ({NAME})")
_HOW_MANY = re.compile(rf"how many ({ITEM}) does ({NAME}) have(?: now)?")


@dataclass(frozen=True, slots=True)
class _Told:
    """A fact as read: whose, in which words of the family, of which item, and from whom it follows."""

    person: str
    text: str
    item: str
    other: str | None


def canonical(wording: Wording) -> str | None:
    """Return the question in the family's words, or None if its sentences are no chain to the person asked for."""
    *told, last = sentences(wording) or [""]
    asked = _HOW_MANY.fullmatch(last)
    facts = [fact for sentence in told if (fact := _read(sentence))]
    if wording.verb or asked is None or len(facts) != len(told) or not 2 <= len(facts) <= len(NAMES):
        return None
    one_item = {fact.item for fact in facts} == {asked[1]}
    if not one_item or not _leads_to(asked[2], facts):
        return None
    return _question([fact.text for fact in facts], asked[1], named(asked[2]))


def _read(sentence: str) -> _Told | None:
    if owned := owns(sentence):
        person, number, item = owned
        return _Told(person, f"{named(person)} has {number} {item}.", item, None)
    if match := _MORE.fullmatch(sentence):
        relation = "more" if match[3] == "more" else "fewer"
        text = _fact(named(match[1]), relation, int(match[2]), match[4], named(match[5]))
        return _Told(match[1], text, match[4], match[5])
    if match := _TIMES.fullmatch(sentence):
        text = _fact(named(match[1]), "half" if match[3] else "times", int(match[2] or 2), match[4], named(match[5]))
        return _Told(match[1], text, match[4], match[5])
    return None


def _leads_to(person: str, facts: list[_Told]) -> bool:
    """Return tell whether each person has one fact, leading from the person asked for to a plain number."""
    other_of = {fact.person: fact.other for fact in facts}
    if len(other_of) != len(facts):
        return False
    at: str | None = person
    for _ in facts:
        if at not in other_of:
            return False
        at = other_of[at]
        if at is None:
            return True
    return False
