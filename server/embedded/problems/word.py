"""Short stories of events: `Ann has 5 coins. Then Ann buys 3 more. How many coins does Ann have now?`."""

import re
from dataclasses import dataclass
from random import Random

from .cast import ITEMS, NAME, NAMES, NUMBER, named, owns, sentences
from .problem import Problem
from .wording import Wording


@dataclass(frozen=True, slots=True)
class Limits:
    """How many events, the largest number said, and the largest count and size of groups."""

    events: int
    number: int
    groups: int
    group_size: int

    @property
    def quantity(self) -> int:
        """The largest quantity a story passes through."""
        return 20 * self.number


LEVELS = {
    1: Limits(1, 20, 5, 6),
    2: Limits(2, 50, 9, 9),
    3: Limits(3, 99, 9, 19),
    4: Limits(4, 400, 14, 39),
    5: Limits(6, 900, 29, 79),
}


@dataclass(frozen=True, slots=True)
class _Event:
    """What happens, the sums that follow it, and how many items there are then."""

    sentence: str
    step: str
    after: int


def make(rng: Random, level: int) -> Problem:
    """One story."""
    limits = LEVELS[level]
    count = limits.events + (rng.random() < 0.3)
    who, item = rng.choice(NAMES), rng.choice(ITEMS)
    value = rng.randint(3, limits.number)
    told, steps = [f"{who} has {value} {item}."], list[str]()
    for _ in range(count):
        event = _draw_event(rng, limits, value, item)
        value = event.after
        told.append(f"Then {who} {event.sentence}.")
        steps.append(f"{event.step} {item}.")
    return Problem("word", level, _question(told, item, who), tuple(steps), str(value))


def _question(told: list[str], item: str, who: str) -> str:
    return f"{' '.join(told)} How many {item} does {who} have now?"


def _draw_event(rng: Random, limits: Limits, value: int, item: str) -> _Event:
    while True:
        kind, number = rng.choice(_EVENTS), rng.randint(2, limits.number)
        if kind in ("gets", "gives"):
            event = _grouped(kind, value, rng.randint(2, limits.groups), rng.randint(2, limits.group_size))
        elif kind == "keeps":
            parts = rng.randint(2, 6)
            if value % parts:
                continue
            event = _Event(_KEEPS % parts, f"{value} / {parts} = {value // parts}", value // parts)
        else:
            event = _plain(kind, value, number)
        if 1 <= event.after <= limits.quantity:
            return event


_EVENTS = ("buys", "loses", "gets", "gives", "doubles", "keeps")
_BUYS, _LOSES, _DOUBLES = "buys %d more", "loses %d", "doubles the number"
_GETS, _GIVES, _KEEPS = (
    "gets %d boxes of %d",
    "gives %d to each of %d friends",
    "keeps one part out of %d equal parts",
)


def _plain(kind: str, value: int, number: int) -> _Event:
    if kind == "buys":
        return _Event(_BUYS % number, f"{value} + {number} = {value + number}", value + number)
    if kind == "loses":
        return _Event(_LOSES % number, f"{value} - {number} = {value - number}", value - number)
    return _Event(_DOUBLES, f"{value} * 2 = {value * 2}", value * 2)


def _grouped(kind: str, value: int, groups: int, size: int) -> _Event:
    product = groups * size
    sentence = _GETS % (groups, size) if kind == "gets" else _GIVES % (size, groups)
    sign, after = ("+", value + product) if kind == "gets" else ("-", value - product)
    return _Event(sentence, f"{groups} * {size} = {product}, and {value} {sign} {product} = {after}", after)


_THEN = re.compile(rf"(?:then )?({NAME}) (?:then )?(.+)")
_PATTERNS = (
    (re.compile(rf"(?:buys|gets) ({NUMBER}) more"), _BUYS),
    (re.compile(rf"loses ({NUMBER})"), _LOSES),
    (re.compile(rf"gets ({NUMBER}) boxes of ({NUMBER})"), _GETS),
    (re.compile(rf"gives ({NUMBER}) to each of ({NUMBER}) friends"), _GIVES),
    (re.compile(r"doubles the number"), _DOUBLES),
    (re.compile(rf"keeps one part out of ({NUMBER}) equal parts"), _KEEPS),
)
_HOW_MANY = re.compile(rf"how many ([a-z]+) does ({NAME}) have(?: now| left)?")
_MOST_EVENTS = LEVELS[5].events + 1


def canonical(wording: Wording) -> str | None:
    """Return the question in the family's words, or None if its sentences are no story of one person."""
    parts = sentences(wording)
    if len(parts) < 3:
        return None
    first, *told, last = parts
    start, asked = owns(first), _HOW_MANY.fullmatch(last)
    if wording.verb or start is None or asked is None or not 1 <= len(told) <= _MOST_EVENTS:
        return None
    who, number, item = start
    events = [event for sentence in told if (event := _read(sentence, who))]
    if len(events) != len(told) or (asked[1], asked[2]) != (item, who):
        return None
    opening = f"{named(who)} has {number} {item}."
    return _question([opening, *(f"Then {named(who)} {event}." for event in events)], item, named(who))


def _read(sentence: str, who: str) -> str | None:
    match = _THEN.fullmatch(sentence)
    if match is None or match[1] != who:
        return None
    for pattern, words in _PATTERNS:
        if told := pattern.fullmatch(match[2]):
            return words % tuple(int(number) for number in told.groups())
    return None
