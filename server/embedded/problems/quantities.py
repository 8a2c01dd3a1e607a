"""Chains of named quantities: `Ann has 5 coins. Ben has 2 more coins than Ann. How many ...?`."""

import re
from dataclasses import dataclass
from itertools import pairwise
from random import Random
from typing import Literal

from .cast import ITEM, ITEMS, NAME, NAMES, NUMBER, named, owns, sentences
from .problem import Problem
from .wording import Wording, read

_Relation = Literal["more", "fewer", "times", "half"]
_RELATIONS: tuple[_Relation, ...] = ("more", "fewer", "times", "half")
_LEAST = 2  # of the numbers said


@dataclass(frozen=True, slots=True)
class Limits:
    """How many people, the largest number said, the largest multiple, the largest quantity."""

    people: int
    number: int
    multiple: int
    quantity: int

    def largest(self, relation: _Relation) -> int:
        """Return the largest number said in a fact of this relation."""
        return self.multiple if relation == "times" else self.number

    def allow(self, relation: _Relation, value: int, result: int) -> bool:
        """Tell whether the relation may lead from the value to the result."""
        odd_half = relation == "half" and value % 2 == 1
        return not odd_half and 1 <= result <= self.quantity


LEVELS = {
    1: Limits(2, 20, 4, 99),
    2: Limits(3, 40, 5, 300),
    3: Limits(4, 90, 9, 900),
    4: Limits(5, 300, 12, 5_000),
    5: Limits(7, 900, 19, 30_000),
}
_SHUFFLED_FROM = 2


@dataclass(frozen=True, slots=True)
class _Link:
    """How one quantity follows from another: the fact told, the sum that works it out, and the result."""

    fact: str
    sum: str
    value: int


def make(rng: Random, level: int) -> Problem:
    """One chain; from level 2 on its facts come in any order; often it has one person more."""
    limits = LEVELS[level]
    count = limits.people + (rng.random() < 0.3)
    people, item = rng.sample(NAMES, count), rng.choice(ITEMS)
    value = rng.randint(_LEAST, limits.number)
    facts, steps = [f"{people[0]} has {value} {item}."], list[str]()
    for before, person in pairwise(people):
        link = _draw_link(rng, limits, person, item, before, value)
        value = link.value
        facts.append(link.fact)
        steps.append(f"{person} has {link.sum} = {value} {item}.")
    if level >= _SHUFFLED_FROM:
        rng.shuffle(facts)
    return Problem("quantities", level, _question(facts, item, people[-1]), tuple(steps), str(value))


def _question(facts: list[str], item: str, person: str) -> str:
    return f"{' '.join(facts)} How many {item} does {person} have?"


def _draw_link(rng: Random, limits: Limits, person: str, item: str, other: str, value: int) -> _Link:
    while True:
        relation = rng.choices(_RELATIONS, [3, 3, 2, 1])[0]
        number = rng.randint(_LEAST, limits.largest(relation))
        result, sum_ = _apply(relation, value, number)
        if limits.allow(relation, value, result):
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
    """A fact as read: whose, in which words of the family, of which item, and how it follows from whom."""

    person: str
    text: str
    item: str
    number: int
    relation: _Relation | None = None
    other: str | None = None


def canonical(wording: Wording) -> str | None:
    """Return the question in the family's words, or None if its sentences are no chain to the person asked for."""
    told = _told(wording)
    if told is None:
        return None
    facts, chain = told
    return _question([fact.text for fact in facts], chain[-1].item, named(chain[-1].person))


def can_make(question: str) -> bool:
    """Tell whether some level draws this question, given in the family's words."""
    wording = read(question)
    told = _told(wording) if wording else None
    return told is not None and any(_can_draw(*told, level) for level in LEVELS)


def _can_draw(facts: list[_Told], chain: list[_Told], level: int) -> bool:
    limits, start = LEVELS[level], chain[0].number
    in_order = facts == chain or (level >= _SHUFFLED_FROM and len(facts) == len(chain))
    if not in_order or len(facts) - limits.people not in (0, 1) or not _LEAST <= start <= limits.number:
        return False
    value: int | None = start
    for fact in chain[1:]:
        value = _follow(fact, value, limits)
        if value is None:
            return False
    return True


def _follow(fact: _Told, value: int, limits: Limits) -> int | None:
    """Return what a fact makes of the value before, or None where the level would not draw it."""
    if fact.relation is None or not _LEAST <= fact.number <= limits.largest(fact.relation):
        return None
    result, _ = _apply(fact.relation, value, fact.number)
    return result if limits.allow(fact.relation, value, result) else None


def _told(wording: Wording) -> tuple[list[_Told], list[_Told]] | None:
    """Return the facts as told and those that lead to the person asked for, from the plain number on; else None."""
    *told, last = sentences(wording) or [""]
    asked = _HOW_MANY.fullmatch(last)
    facts = [fact for sentence in told if (fact := _read(sentence))]
    if wording.verb or asked is None or len(facts) != len(told) or not 2 <= len(facts) <= len(NAMES):
        return None
    one_item = {fact.item for fact in facts} == {asked[1]}
    chain = _chain_to(asked[2], facts) if one_item else None
    return (facts, chain) if chain else None


def _read(sentence: str) -> _Told | None:
    if owned := owns(sentence):
        person, number, item = owned
        return _Told(person, f"{named(person)} has {number} {item}.", item, number)
    if match := _MORE.fullmatch(sentence):
        relation = "more" if match[3] == "more" else "fewer"
        return _related(match[1], relation, int(match[2]), match[4], match[5])
    if match := _TIMES.fullmatch(sentence):
        return _related(match[1], "half" if match[3] else "times", int(match[2] or 2), match[4], match[5])
    return None


def _related(person: str, relation: _Relation, number: int, item: str, other: str) -> _Told:
    text = _fact(named(person), relation, number, item, named(other))
    return _Told(person, text, item, number, relation, other)


def _chain_to(person: str, facts: list[_Told]) -> list[_Told] | None:
    """Return the facts from a plain number to this person; None if they do not lead there or one has two facts."""
    fact_of = {fact.person: fact for fact in facts}
    chain, at = list[_Told](), person
    while len(fact_of) == len(facts) and len(chain) < len(facts) and at in fact_of:
        chain.insert(0, fact_of[at])
        if chain[0].other is None:
            return chain
        at = chain[0].other
    return None
