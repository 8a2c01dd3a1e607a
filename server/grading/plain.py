"""What can be said of two answers without algebra: exact numbers, words and letters."""

import re
from fractions import Fraction
from functools import lru_cache

from router.equality import key, number

from .limits import LONGEST, bounded
from .verdict import Verdict
from .wording import canonical, is_prose, sides

_NAME = re.compile(r"[a-zA-Z]|[a-zA-Z]{4,}")
_BASED = re.compile(r"[0-9A-Z]+_(\d+)")


def settle(answer: str, truth: str) -> Verdict | tuple[str, str]:
    """Return the verdict where it is sure or cannot be had, else the canonical forms to be compared by algebra."""
    answer, truth = answer.strip(), truth.strip()
    if not answer or not truth:
        return Verdict.DIFFERENT if answer or truth else Verdict.UNDECIDED
    if max(len(answer), len(truth)) > LONGEST:
        return Verdict.EQUAL if answer == truth else Verdict.UNDECIDED
    keys = key(answer), key(truth)
    if keys[0] == keys[1]:
        return Verdict.EQUAL
    if isinstance(keys[0], Fraction) and isinstance(keys[1], Fraction):
        return Verdict.DIFFERENT
    return _settled(answer, truth)


@lru_cache(4096)
def _settled(answer: str, truth: str) -> Verdict | tuple[str, str]:
    a, b = canonical(answer), canonical(truth)
    numbers = number(a), number(b)
    if numbers[0] is not None and numbers[1] is not None:
        same = _values(answer, numbers[0]) & _values(truth, numbers[1])
        return Verdict.EQUAL if same else Verdict.DIFFERENT
    verdict = Verdict.EQUAL if key(a) == key(b) else _worded(a, b)
    if verdict is not None:
        return verdict
    if (len(sides(a)) > 1) != (len(sides(b)) > 1):  # y = 2x + 1 and 2x - y + 1 = 0
        a, b = canonical(answer, equation=True), canonical(truth, equation=True)
    return (a, b) if bounded(a) and bounded(b) else Verdict.UNDECIDED


def algebraic(text: str) -> bool:
    """Tell whether a canonical answer is neither an exact number nor words, and small enough to be parsed."""
    return bool(text) and number(text) is None and not (is_prose(text) or _BASED.fullmatch(text)) and bounded(text)


def _values(raw: str, value: Fraction) -> set[Fraction]:
    """50% is 50, as its sign is a unit, and it is 1/2."""
    return {value, value / 100} if raw.rstrip(" .$").endswith("%") else {value}


def _worded(a: str, b: str) -> Verdict | None:
    """Compare by what has no value: words, single letters, numerals in a base."""
    based = _BASED.fullmatch(a), _BASED.fullmatch(b)
    if based[0] or based[1]:
        one_base = based[0] and based[1] and based[0][1] == based[1][1]
        return Verdict.DIFFERENT if one_base else Verdict.UNDECIDED
    if all(_NAME.fullmatch(text) or (number(text) is not None) for text in (a, b)):
        return Verdict.DIFFERENT
    prose = [text for text in (a, b) if is_prose(text)]
    if len(prose) == 1 and {number(a), number(b)} != {None} and not re.search(r"\d", prose[0]):
        return Verdict.DIFFERENT  # cannot be determined, and 12
    return Verdict.UNDECIDED if prose else None
