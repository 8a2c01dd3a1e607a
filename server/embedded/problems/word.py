"""Short stories of events: `Ann has 5 coins. Then Ann buys 3 more. How many coins does Ann have now?`."""

import re
from dataclasses import dataclass
from random import Random

from .cast import ITEMS, NAME, NAMES, NUMBER, named, owns, sentences
from .problem import Problem
from .wording import Wording, read


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


_LEAST = 2  # of the numbers said in events
_LEAST_AT_FIRST = 3
_MOST_PARTS = 6
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
    value = rng.randint(_LEAST_AT_FIRST, limits.number)
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
        kind, number = rng.choice(_EVENTS), rng.randint(_LEAST, limits.number)
        if kind in ("gets", "gives"):
            groups, size = rng.randint(_LEAST, limits.groups), rng.randint(_LEAST, limits.group_size)
            event = _grouped(kind, value, groups, size)
        elif kind == "keeps":
            parts = rng.randint(_LEAST, _MOST_PARTS)
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


@dataclass(frozen=True, slots=True)
class _Read:
    """An event as read: which, and its numbers, in the order of the family's words."""

    words: str
    numbers: tuple[int, ...]

    @property
    def sentence(self) -> str:
        return self.words % self.numbers


@dataclass(frozen=True, slots=True)
class _Story:
    who: str
    start: int
    item: str
    events: list[_Read]


def canonical(wording: Wording) -> str | None:
    """Return the question in the family's words, or None if its sentences are no story of one person."""
    story = _story(wording)
    if story is None:
        return None
    opening = f"{story.who} has {story.start} {story.item}."
    told = [opening, *(f"Then {story.who} {event.sentence}." for event in story.events)]
    return _question(told, story.item, story.who)


def can_make(question: str) -> bool:
    """Tell whether some level draws this question, given in the family's words."""
    wording = read(question)
    story = _story(wording) if wording else None
    return story is not None and any(_can_draw(story, limits) for limits in LEVELS.values())


def _can_draw(story: _Story, limits: Limits) -> bool:
    value, start_fits = story.start, _LEAST_AT_FIRST <= story.start <= limits.number
    if not start_fits or len(story.events) - limits.events not in (0, 1):
        return False
    for event in story.events:
        after = _after(event, value, limits)
        if after is None or not 1 <= after <= limits.quantity:
            return False
        value = after
    return True


def _after(event: _Read, value: int, limits: Limits) -> int | None:
    """Return how many items there are after an event, or None where the level would not draw it."""
    numbers = event.numbers
    if event.words == _DOUBLES:
        return value * 2
    if min(numbers) < _LEAST:
        return None
    if event.words == _KEEPS:
        return value // numbers[0] if numbers[0] <= _MOST_PARTS and value % numbers[0] == 0 else None
    if event.words in (_BUYS, _LOSES):
        change, fits = numbers[0], numbers[0] <= limits.number
    else:
        groups, size = numbers if event.words == _GETS else reversed(numbers)
        change, fits = groups * size, groups <= limits.groups and size <= limits.group_size
    gains = event.words in (_BUYS, _GETS)
    return value + (change if gains else -change) if fits else None


def _story(wording: Wording) -> _Story | None:
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
    return _Story(named(who), number, item, events)


def _read(sentence: str, who: str) -> _Read | None:
    match = _THEN.fullmatch(sentence)
    if match is None or match[1] != who:
        return None
    for pattern, words in _PATTERNS:
        if told := pattern.fullmatch(match[2]):
            return _Read(words, tuple(int(number) for number in told.groups()))
    return None
