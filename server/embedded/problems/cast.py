"""Who owns what in the problems that are told in sentences."""

import re

from .wording import Wording

NAMES = ("Ann", "Ben", "Carl", "Dana", "Eve", "Finn", "Gina", "Hugo", "Ida", "Jack")
ITEMS = ("coins", "apples", "books", "cards", "pens")

NAME = "(?:" + "|".join(NAMES).lower() + ")"
ITEM = "(?:" + "|".join(ITEMS) + ")"
NUMBER = r"\d{1,6}"

_SENTENCE_END = re.compile(r"[.!?;]+ ?")
_OWNS = re.compile(rf"({NAME}) has ({NUMBER}) ({ITEM})")


def sentences(wording: Wording) -> list[str]:
    """Return the sentences of a question in lower case, without their end marks."""
    return [part for part in _SENTENCE_END.split(wording.body) if part]


def named(name: str) -> str:
    """Return a name as the family writes it."""
    return name.capitalize()


def owns(sentence: str) -> tuple[str, int, str] | None:
    """Read `ann has 3 coins` as (ann, 3, coins)."""
    match = _OWNS.fullmatch(sentence)
    return (match[1], int(match[2]), match[3]) if match else None
