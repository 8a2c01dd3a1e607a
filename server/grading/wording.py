r"""One spelling per answer, before anybody parses it: units, names and signs that mean nothing are taken off.

A percent sign is a unit here (50\% is 50), as it is where answers are read from solutions.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from router.equality import number
from router.extraction import extract, tidy


def _brace(found: re.Match[str]) -> str:
    return found[1] or ("{" if found[0][1] == "l" else "}")


def _unspaced(found: re.Match[str]) -> str:
    return found[0].replace(" ", "")


_SIGNS = {
    "−": "-", "–": "-", "×": r"\times ", "·": r"\cdot ", "÷": "/", "∗": "*", "⁄": "/", "≤": r"\le ", "≥": r"\ge ",
    "≠": r"\ne ", "∪": r"\cup ", "∩": r"\cap ", "∈": r"\in ", "∞": r"\infty ", "π": r"\pi ", "∅": r"\emptyset ",
    "±": r"\pm ", "²": "^2", "³": "^3", "½": r"\frac{1}{2}", "ℝ": r"\mathbb{R}",
}  # fmt: skip
_TABLE = str.maketrans(_SIGNS)
_REWRITTEN: tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]], ...] = (
    (re.compile(r"√\s*(\d+|[a-zA-Z])"), r"\\sqrt{\1}"),
    (re.compile(r"√"), "sqrt"),
    (re.compile(r"(?<![\\a-zA-Z])(pi|infty)(?![a-zA-Z])"), r"\\\1 "),
    (re.compile(r"(?i)(?<![\\a-zA-Z])infinity(?![a-zA-Z])"), r"\\infty "),
    (re.compile(r"(?<![\\a-zA-Z])(sin|cos|tan|log|ln|exp)(?=[\s(\d])"), r"\\\1 "),
    (re.compile(r"\\[dtc]frac(?![a-zA-Z])"), r"\\frac"),
    (re.compile(r"\\(?:left|right|displaystyle|limits)(?![a-zA-Z])|\\[$]|\$"), ""),
    (re.compile(r"\\[lr]brace(?![a-zA-Z])|\\([{}])"), _brace),
    (re.compile(r"\\varnothing(?![a-zA-Z])|^\{\s*\}$"), r"\\emptyset"),
    (re.compile(r"\\(?:leq|leqslant)(?![a-zA-Z])|<="), r"\\le "),
    (re.compile(r"\\(?:geq|geqslant)(?![a-zA-Z])|>="), r"\\ge "),
    (re.compile(r"\*\*"), "^"),
    (re.compile(r"(?<=\d)[eE]([+-]?\d{1,3})(?![\d.])"), r"\\cdot 10^{\1}"),
    (re.compile(r"(?<![\d.])(\d{1,3})((?: \d{3})+)(?![\d ])"), _unspaced),
    (re.compile(r"_\{(\w+)\}"), r"_\1"),
    (re.compile(r"^\s*[a-zA-Z]\s*\\in(?![a-zA-Z])\s*|^\s*\(\s*[a-zA-Z](?:\s*,\s*[a-zA-Z])+\s*\)\s*=\s*"), ""),
    (re.compile(r"(?i)\s*,?\s*(?<![a-zA-Z\\])(?:or|and)(?![a-zA-Z])\s*"), ", "),
)
_ROOT = re.compile(r"\\?(?<![a-zA-Z])sqrt\s*(?=\()")
_FACTORIAL = re.compile(r"(?:\d|[)}]|(?<![a-zA-Z])[a-zA-Z])\s*!+[\s$.]*$")
_REPEATING = re.compile(r"(-?)(\d*)\.(\d*)\\overline\s*\{?(\d+)\}?")
_COUNTED: dict[str, str] = {
    word: str(value)
    for value, word in enumerate(
        (
            *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven"),
            *("twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty"),
        )
    )
}
_SENTENCE = re.compile(r"(?i)boxed|\banswer\b")
_EQUALS = re.compile(r"(?<![<>!=\\:])=(?!=)")
_HIDDEN = "\N{FULLWIDTH EQUALS SIGN}"
_COMMAND = re.compile(r"\\(?:begin|end)\s*\{\w*\}|\\[a-zA-Z]+")
_FUNCTIONS = re.compile(r"(?<![a-zA-Z])(?:sqrt|arc(?:sin|cos|tan)|sinh|cosh|tanh|frac)(?![a-zA-Z])")
_WORD = re.compile(r"[a-zA-Z]{4}")
_UNION = re.compile(r"\\cup(?![a-zA-Z])")


@dataclass(frozen=True, slots=True)
class Shape:
    """How an answer is composed: `kind` is "atom", "list", "union" or the outer brackets, such as "[)"."""

    kind: str
    members: tuple[str, ...]


@lru_cache(4096)
def canonical(text: str, *, equation: bool = False) -> str:
    """Return the one spelling of `text`; what stands left of an equals sign is kept for an `equation` only."""
    if _SENTENCE.search(text):
        text = extract(text) or text
    text = "=".join(map(_rewritten, sides(text) if equation else [text]))
    members = split(text)
    if members.kind != "list":
        return text
    named = {left.strip() for left, equals, _ in (m.partition("=") for m in members.members) if equals}
    return ",".join(m.strip() if equation or len(named) > 1 else tidy(m) for m in members.members)


def _rewritten(text: str) -> str:
    factorial = _FACTORIAL.search(text) is not None  # its sign looks like excitement
    text = text.rstrip().removesuffix("\\")  # of a space in LaTeX
    bound = "=" in text and len(sides(text)) == 1  # the sign under a sum, which has no side to take off
    text = tidy(text.replace("=", _HIDDEN)).replace(_HIDDEN, "=") if bound else tidy(text)
    text = f"{text}!" if factorial and not text.endswith("!") else text
    if number(text) is not None:
        return text
    text = text.translate(_TABLE)
    for pattern, plain in _REWRITTEN:
        text = pattern.sub(plain, text)
    while root := _ROOT.search(text):
        end = closing(text, root.end())
        text = f"{text[: root.start()]}\\sqrt{{{text[root.end() + 1 : end - 1]}}}{text[end:]}"
    text = _REPEATING.sub(_as_fraction, text).strip()
    return _COUNTED.get(text.lower(), text)


def _as_fraction(found: re.Match[str]) -> str:
    sign, whole, fixed, period = found.groups()
    scale = 10 ** len(fixed)
    value = Fraction(int(whole + fixed or 0), scale) + Fraction(int(period), scale * (10 ** len(period) - 1))
    return f"{sign}\\frac{{{value.numerator}}}{{{value.denominator}}}"


def sides(text: str) -> tuple[str, ...]:
    """Split an equation at its signs; those in brackets are of sums."""
    return _parted(text, [(m.start(), m.end()) for m in _EQUALS.finditer(text)])


def is_prose(text: str) -> bool:
    """Tell whether there are words in a canonical text, which no computer algebra system would understand."""
    return _WORD.search(_FUNCTIONS.sub("", _COMMAND.sub("", text))) is not None


def split(text: str) -> Shape:
    """Return what a canonical text is composed of at its outermost level. (1,2) is a pair and an open interval."""
    if number(text) is not None:  # 1,234
        return Shape("atom", (text,))
    if len(parts := _parted(text, [(m.start(), m.end()) for m in _UNION.finditer(text)])) > 1:
        return Shape("union", parts)
    if _enclosed(text):
        inner = text[1:-1]
        members = _parted(inner, [(i, i + 1) for i, c in enumerate(inner) if c == ","])
        if len(members) > 1 or text[0] == "{":
            return Shape(text[0] + text[-1], members)
    members = _parted(text, [(i, i + 1) for i, c in enumerate(text) if c == ","])
    return Shape("list", members) if len(members) > 1 else Shape("atom", (text,))


def _enclosed(text: str) -> bool:
    """Whether the first bracket is closed by the last character, of whatever kind: [0, 1)."""
    if len(text) < 3 or text[0] not in "([{" or text[-1] not in ")]}":
        return False
    depth = 0
    for c in text[:-1]:
        depth += (c in "([{") - (c in ")]}")
        if depth == 0:
            return False
    return True


def closing(text: str, start: int) -> int:
    """Return the end of the bracketed group that opens at `start`: the text's, when nothing closes it."""
    depth = 0
    for i in range(start, len(text)):
        depth += (text[i] in "([{") - (text[i] in ")]}")
        if depth == 0:
            return i + 1
    return len(text)


def _parted(text: str, cuts: Sequence[tuple[int, int]]) -> tuple[str, ...]:
    """Cut `text` at those (start, end) that no bracket encloses."""
    depths, depth = list[int](), 0
    for c in text:
        depths.append(depth)
        depth += (c in "([{") - (c in ")]}")
    parts, start = list[str](), 0
    for at, end in cuts:
        if depths[at] == 0:
            parts.append(text[start:at].strip())
            start = end
    return (*parts, text[start:].strip())
