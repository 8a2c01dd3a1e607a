r"""Which answers are small enough to be handed to a computer algebra system at all.

Its parser evaluates as it reads, in C code that looks at no clock: 9^{9^{9^9}} alone holds a process until it is
killed. What is refused here costs nothing; what slips through is killed, which costs a second.
"""

import re
from collections.abc import Iterator

from router.equality import number

from .wording import closing

LONGEST = 400
"""Characters: as many as `router.extraction.tidy` looks at."""

_DEEPEST = 50
_LARGEST_EXPONENT = 10_000
_LARGEST_FACTORIAL = 1_000

_POWER = re.compile(r"\^|\*\*")
_CHAIN = re.compile(r"\s*(?:\^|\*\*)")
_BINOMIAL = re.compile(r"\\[dt]?binom")
_CHOOSE = re.compile(r"\{([^{}]*)\\choose([^{}]*)\}")
_TOKEN = re.compile(r"\s*[-+]?\s*(?:\\?[a-zA-Z]+\s*|[\d.]+|.)?")
_LAST = re.compile(r"(?:[\d.]+|[a-zA-Z]|\S)\s*$")
_EXPLOSIVE = re.compile(r"\d{5}|!|binom|choose|(?:[^a-zA-Z\s]|^)\s*(?:\^|\*\*)")
_OPENING, _CLOSING = "([{", ")]}"


def bounded(text: str) -> bool:
    """Tell whether length, nesting, exponents, factorials and binomials of `text` are all within bounds."""
    if len(text) > LONGEST or not _balanced(text):
        return False
    return all(_small(operand, largest) for operand, largest in _operands(text))


def _balanced(text: str) -> bool:
    """Whether all brackets close, and no more than _DEEPEST are open at once; (0, 1] is closed."""
    depth = 0
    for c in text:
        depth += (c in _OPENING) - (c in _CLOSING)
        if not 0 <= depth <= _DEEPEST:
            return False
    return depth == 0


def _operands(text: str) -> Iterator[tuple[str, int]]:
    """Yield what stands in an exponent, before an exclamation mark or in a binomial, and how large it may be."""
    for sign in _POWER.finditer(text):
        yield text[sign.end() : _end_of_exponent(text, sign.end())], _LARGEST_EXPONENT
    for at in (i for i, c in enumerate(text) if c == "!"):
        yield text[_start_of_operand(text, at) : at], _LARGEST_FACTORIAL
    for binomial in _BINOMIAL.finditer(text):
        middle = _end_of_group(text, binomial.end())
        yield text[binomial.end() : middle], _LARGEST_FACTORIAL
        yield text[middle : _end_of_group(text, middle)], _LARGEST_FACTORIAL
    for choose in _CHOOSE.finditer(text):
        yield choose[1], _LARGEST_FACTORIAL
        yield choose[2], _LARGEST_FACTORIAL


def _small(operand: str, largest: int) -> bool:
    if (value := number(operand)) is not None:
        return abs(value) <= largest
    return _EXPLOSIVE.search(operand) is None  # an unknown x, a root: not what could be astronomical


def _end_of_exponent(text: str, start: int) -> int:
    """9^9^9 is one exponent to the right of the first sign."""
    end = _end_of_group(text, start)
    while chained := _CHAIN.match(text, end):
        end = _end_of_group(text, chained.end())
    return end


def _end_of_group(text: str, start: int) -> int:
    """Return where a bracketed group or a single token that begins at `start` ends."""
    token = _TOKEN.match(text, start)
    end = token.end() if token else start
    if text[start:end].lstrip(" +-")[:1] == "\\" and text[end : end + 1] == "{":  # \frac{1}{2} without braces around
        while text[end : end + 1] == "{":
            end = closing(text, end)
        return end
    return closing(text, end - 1) if text[start:end][-1:] in tuple(_OPENING) else end


def _start_of_operand(text: str, end: int) -> int:
    last = _LAST.search(text, 0, end)
    if last is None or last[0].strip() not in tuple(_CLOSING):
        return last.start() if last else end
    depth, start = 1, last.start()
    while depth:  # all brackets are balanced
        start -= 1
        depth += (text[start] in _CLOSING) - (text[start] in _OPENING)
    return start
