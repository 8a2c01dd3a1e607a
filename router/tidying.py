r"""An answer freed of its typography, so that two ways of writing it can be compared: `$x = 12$ cm.` is 12."""

import re

LONGEST_ANSWER = 400
"""Characters of an answer that are looked at."""

NUMBER = r"[-+]?(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?(?:\s*/\s*\d+)?|[-+]?\.\d+"
FRACTION = r"[-+]?(?:\d+\s*)?\\[dt]?frac\s*\{\d+\}\s*\{\d+\}"
"""Patterns of a number with or without thousands separators, and of a fraction in LaTeX."""

WRAPPERS = tuple(w.split() for w in (r"$$ $$", r"$ $", r"\( \)", r"\[ \]", r"** **", r"__ __", r"` `", r'" "'))
_TEXT = re.compile(r"\\(?:text(?:bf|it|rm)?|math(?:rm|bf|it)|mbox|operatorname)\s*\{([^{}]*)\}")
_TEXT_UNIT = re.compile(r"(?<=[^\s{])\s*\\(?:text|mathrm|mbox|textrm)\s*\{\s*[a-z°][^{}]*\}(?:\s*\^\s*\{?\d\}?)?$")
_NOISE = re.compile(
    r"(?:\^\s*\{?\s*\\circ\s*\}?|°|\\degree)(?:\s*[CF](?![a-zA-Z]))?|\\?%|\\[!,;:>]"
    r"|\\(?:left|right|displaystyle)(?![a-zA-Z])"
)
_SPACE = re.compile(r"\\q?quad(?![a-zA-Z])|(?<!\\)\\ |~|\s+")
_FACTORIAL = re.compile(r"(?:[\d)}]|(?<![a-zA-Z])[a-zA-Z])\s*!$")
_MONEY = re.compile(r"^([-+]?)\s*(?:\\?\$|[€£¥₹]|USD|EUR|Rs\.?)\s*(?=[\d.])")
_NAME = re.compile(r"\\?[a-zA-Z][\w{}\\' ]*(?:\([\w, ]+\))?\s*|(?:[\d\s+*/().×·÷-]|\\times|\\cdot|\\div)+")
_SHORT_UNIT = r"(?:[cmk]m|[mk]?g|m[lL]|ft|in|lbs?|oz|mph|hrs?|mins?|secs?|[ap]m|[€£¥$])(?![a-zA-Z])"
_LETTER_UNIT = r"[mgshLlJWVKCFN](?![a-zA-Z])"
_UNIT = rf"(?:\s*{_SHORT_UNIT}|\s+{_LETTER_UNIT}|\s*[a-zA-Z]{{3,}}|\s+[a-zA-Z]{{2}}\b)[a-zA-Z /.,'^²³23{{}}-]*"
_UNITS = re.compile(rf"({NUMBER}|{FRACTION})({_UNIT})")
_NO_UNIT = re.compile(r"(?i)\b(?:and|or|to|pi|sqrt|sin|cos|tan|log|ln|exp|mod|times|over|choose)\b")
_CHOICE = re.compile(r"\(?([A-Z])\)?|\(([A-J])\)[\s:.].*|([A-J])[).:]\s+\S.*")


def tidy(raw: str) -> str:
    """Take off what is not the answer: mathematics marks, units, money signs, `x =`, a final full stop."""
    text = raw[:LONGEST_ANSWER].replace("−", "-").replace("{,}", ",")
    text = _TEXT.sub(r" \1 ", _TEXT_UNIT.sub("", _unwrap(_SPACE.sub(" ", text))))
    text = _unwrap(_SPACE.sub(" ", _NOISE.sub("", text)).strip())
    left, equals, right = text.replace(r"\approx", "=").replace("≈", "=").partition("=")
    if equals and "=" not in right and left.count("{") == left.count("}") and _NAME.fullmatch(left):
        text = _unwrap(right)
    text = _MONEY.sub(r"\1", text)
    if (unit := _UNITS.fullmatch(text)) and not _NO_UNIT.search(unit[2]):
        text = unit[1]
    if choice := _CHOICE.fullmatch(text):
        text = choice[1] or choice[2] or choice[3]
    return text.strip()


def _unwrap(text: str) -> str:
    before = None
    while text != before:
        before = text
        text = text.strip()
        for opening, closing in WRAPPERS:
            inner = text[len(opening) : -len(closing)]
            if inner and text == opening + inner + closing and opening not in inner:
                text = inner
        text = text.rstrip(".;,* 。")
        if text.endswith("!") and not _FACTORIAL.search(text):
            text = text.rstrip("!")
    return text.removeprefix("**")
