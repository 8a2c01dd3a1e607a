r"""Signs by which a request for one short answer is told from chat, writing and code.

Each is a number from 0 to 1 that a person can check by eye. At most the first and the last thousand characters
are read, and every pattern takes linear time in them.
"""

import re
from collections.abc import Callable
from functools import cached_property
from math import log1p

from . import vocabulary as known

_HALF = 1000
_OPENING = 5
_ENDING = 240
_PARAGRAPH = 60
"""Words."""

_MARKS = "¿¡«»“”„…–—·•€£×÷−、。，：；？！（）「」『』"
_BREAKS = {ord(c): " " for c in (*map(chr, range(128)), *_MARKS) if not c.isalpha() and c != "'"}
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_OPERATION = re.compile(r"[\w)\]}|!]\s?(?:[+*^×÷·<>≤≥=≠]|\s[-−/x]\s|(?<=\d)[-/](?=\d))\s?[\w(\[|√$\\-]")
_COMMAND = re.compile(r"\\[a-zA-Z(\[]")
_FORMULA = re.compile(r"\$([^$\n]{1,200})\$")
_FORMULA_SIGN = re.compile(r"[\\^_=+<>|()]|\d\s*[a-z]|^\s*[a-zA-Z]{1,3}\s*$")
_CHOICE = re.compile(r"(?:^|[\s(])([A-Ea-e1-4])[).:](?=[^.])")
_AMOUNT = re.compile(
    r"\d{1,6}[\s-]?(?:words?|sentences?|paragraphs?|lines?|pages?|verses?|bullets?|characters?|ideas?|tips?|names?"
    r"|examples?|questions?|facts?|ways?|reasons?|things?|wörter|sätzen?|strophen|tipps|palabras|versos|mots|phrases|字)"
)
_YEAR = re.compile(r"1\d{3}|20\d\d")
_CODE_MARKS = ("```", "=>", ">>>", '"""', "()", ";\n", "{\n")
_CODE_LINES = ("def ", "class ", "import ", "from ", "function ", "const ", "int ", "return ", "SELECT ")
_CODE_SIGNS = frozenset(":;({=*")
_OFFERED = ("options", "choices", "answer:", "which ")


def excerpt(text: str) -> str:
    """Return a text, or what stands at the beginning and at the end of a long one."""
    return text if len(text) <= 2 * _HALF else f"{text[:_HALF]}\n{text[-_HALF:]}"


def words(text: str) -> list[str]:
    """Return the words of a text in lower case, without numbers and marks; runs of them where no spaces are written."""
    return text.lower().translate(_BREAKS).split()


def numbers(text: str) -> list[str]:
    """Return the numbers in a text as they are written."""
    return _NUMBER.findall(text)


class Request:
    """A request taken apart: `text` is an excerpt of the last user message, `system` of what the system demands."""

    def __init__(self, question: str, system: str = "") -> None:
        self.text = excerpt(question).strip()
        self.lower = self.text.lower()
        self.words = words(self.text)
        self.distinct = frozenset(self.words)
        self.numbers = numbers(self.text)
        self.foreign = not self.text.isascii()
        self._system = excerpt(system).lower()

    @cached_property
    def opening(self) -> list[str]:
        """The first words, less courtesies: where a request says what it wants."""
        first = next((i for i, w in enumerate(self.words) if w not in known.COURTESIES), 0)
        return self.words[first : first + _OPENING]

    @cached_property
    def asks(self) -> bool:
        """Whether it ends with a question."""
        return any(mark in self.text[-_ENDING:] for mark in "?？؟")

    @cached_property
    def formulas(self) -> int:
        """How much LaTeX there is."""
        dollars = sum(_FORMULA_SIGN.search(m) is not None for m in _FORMULA.findall(self.text))
        return dollars + len(_COMMAND.findall(self.text))

    @cached_property
    def operations(self) -> int:
        """How many signs of arithmetic or algebra stand between two operands."""
        return len(_OPERATION.findall(self.text))

    @cached_property
    def choices(self) -> float:
        """Whether there are options, lettered or announced and numbered: 1 for three or more, 0.7 for two."""
        marks = {m.lower() for m in _CHOICE.findall(self.text)}
        offered = any(word in self.lower for word in _OFFERED)
        lettered, numbered = marks & set("abcde"), marks & set("1234") if offered else set[str]()
        count = max(len(lettered) * ("a" in lettered), len(numbered) * ("1" in numbered))
        return 1.0 if count > 2 else 0.7 if count == 2 else 0.0

    @cached_property
    def quantity(self) -> float:
        """Whether a quantity is asked for in words."""
        phrases = any(p in self.lower for p in known.QUANTITY_PHRASES)
        return float(phrases or not self.distinct.isdisjoint(known.QUANTITY))

    @cached_property
    def demanded(self) -> float:
        """Whether one short final answer is demanded: 1 by the request itself, 0.5 by the system's message."""
        if any(phrase in self.lower for phrase in known.FINAL):
            return 1.0
        return 0.5 if any(phrase in self._system for phrase in known.FINAL) else 0.0

    def share(self, words: frozenset[str], enough: int) -> float:
        """Return how many of `words` it has, as a share of what is enough."""
        return min(1.0, len(self.distinct & words) / enough)

    def density(self, words: frozenset[str], enough: int) -> float:
        """Return the same, but ask more of a longer text: in a report everything turns up once."""
        return min(1.0, len(self.distinct & words) / enough / max(1.0, len(self.words) / _PARAGRAPH))

    def opens(self, words: frozenset[str]) -> float:
        """Return 1 if it begins with one of `words`, 0.5 if one comes soon after."""
        if not self.opening:
            return 0.0
        return 1.0 if self.opening[0] in words else 0.0 if words.isdisjoint(self.opening) else 0.5

    def parts(self, parts: tuple[str, ...]) -> float:
        """Return whether a text that is not in plain ASCII has one of `parts`."""
        return float(self.foreign and any(part in self.lower for part in parts))


def _bare(r: Request) -> float:
    """Tell numbers and signs with hardly a word."""
    return float(bool(r.numbers) and len(r.text) < 200 and sum(len(w) > 2 for w in r.words) <= 2)


def _code(r: Request) -> float:
    """Tell lines and marks of a programming language, or two words about programming."""
    lines = [line.lstrip() for line in r.text.split("\n")]
    found = sum(line.startswith(_CODE_LINES) and not _CODE_SIGNS.isdisjoint(line) for line in lines)
    found += sum(r.text.count(mark) for mark in _CODE_MARKS)
    return min(1.0, found / 2 + r.share(known.CODE, 2))


def _fact(r: Request) -> float:
    """Tell a question for a fact: nothing to reckon with or to choose from."""
    given = r.choices or r.formulas or r.share(known.MATHS, 1) or any(not _YEAR.fullmatch(n) for n in r.numbers)
    opens = max(r.opens(known.LISTING), r.quantity)
    return float(not given and len(r.words) < 24) * opens


def _empty(r: Request) -> float:
    """Tell a text in which nothing is given that could be reckoned with or chosen from."""
    given = r.numbers or r.choices or r.formulas or r.operations or r.quantity or r.demanded
    return float(not given) * (1.0 - r.share(known.RELATIONS, 4))


SIGNS: dict[str, Callable[[Request], float]] = {
    "numbers": lambda r: min(1.0, log1p(len(r.numbers)) / log1p(8)),
    "has a number": lambda r: float(bool(r.numbers)),
    "two numbers": lambda r: float(len(r.numbers) > 1),
    "asks": lambda r: float(r.asks),
    "asks with numbers": lambda r: float(r.asks and len(r.numbers) > 1),
    "operations": lambda r: min(1.0, r.operations / 3),
    "has an operation": lambda r: float(r.operations > 0),
    "formulas": lambda r: min(1.0, r.formulas / 2),
    "bare": _bare,
    "quantity": lambda r: r.quantity,
    "choices": lambda r: r.choices,
    "final answer demanded": lambda r: r.demanded,
    "opens with solving": lambda r: r.opens(known.SOLVING),
    "mathematics": lambda r: r.density(known.MATHS, 3),
    "relations": lambda r: r.density(known.RELATIONS, 6),
    "asks in parts of words": lambda r: r.parts(known.ASKING_PARTS),
    "makes in parts of words": lambda r: r.parts(known.MAKING_PARTS),
    "opens with making": lambda r: r.opens(known.MAKING),
    "making": lambda r: r.share(known.MAKING, 2),
    "opens with telling": lambda r: r.opens(known.TELLING) * (1.0 - r.choices) * (1.0 - 0.5 * r.quantity),
    "telling": lambda r: r.share(known.TELLING, 2) * (1.0 - r.choices),
    "fact": _fact,
    "genres": lambda r: r.share(known.GENRES, 2),
    "amount of text": lambda r: float(_AMOUNT.search(r.lower) is not None),
    "code": _code,
    "feeling": lambda r: r.share(known.FEELING, 2) * (1.0 - r.choices),
    "persons": lambda r: r.share(known.PERSON, 3) * (1.0 - r.choices),
    "greeting": lambda r: r.opens(known.GREETINGS),
    "long": lambda r: min(1.0, len(r.text) / _HALF) * (1.0 - r.choices),
    "nothing given": _empty,
    "asks for several things": lambda r: (1.0 - r.choices) * float(any(p in r.lower for p in known.SEVERAL)),
    "short": lambda r: float(len(r.words) < 4 and not r.numbers),
}
"""Each sign by its name, in the order of the weights."""
