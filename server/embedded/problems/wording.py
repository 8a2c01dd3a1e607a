"""A question as a person types it, taken apart into a verb and a body."""

import re
from dataclasses import dataclass

LONGEST = 1000
"""Characters; the family's longest question has about 400."""

_SIGNS = str.maketrans({"×": "*", "·": "*", "⋅": "*", "∗": "*", "÷": "/", "−": "-", "–": "-", "’": "'", "$": " "})
_LATEX = {"\\times": "*", "\\cdot": "*", "\\div": "/", "**": "^"}
_SPACE = re.compile(r"\s+")
_VERB = re.compile(
    r"(?:please )?(?:(what is|what's|whats|how much is|compute|calculate|evaluate|work out|solve|find)"
    r"(?: the value of)?(?: ?: ?| |$|(?=[\d(])))?"
)


@dataclass(frozen=True, slots=True)
class Wording:
    """`raw` as typed, without outer space; `verb` and `body` in lower case with plain signs, no end mark."""

    raw: str
    verb: str
    body: str


def plain_signs(text: str) -> str:
    """Replace the signs of print and LaTeX (× ÷ − and the like) by + - * / ^."""
    for name, sign in _LATEX.items():
        text = text.replace(name, sign)
    return text.translate(_SIGNS)


def read(question: str) -> Wording | None:
    """Take a question apart, or None if it is empty or too long to be one of this family."""
    raw = question.strip()
    if not raw or len(raw) > LONGEST:
        return None
    text = _SPACE.sub(" ", plain_signs(raw)).lower().strip().rstrip(" ?.!=")
    match = _VERB.match(text)
    verb = (match[1] or "") if match else ""
    return Wording(raw, verb, text[match.end() :] if match else text)
