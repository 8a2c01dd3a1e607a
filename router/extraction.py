r"""What a solution answers, and where its steps are, in text as language models really write it.

The box is looked for first; models that forget it mostly say what the answer is in words, end with an
equation, or conclude in a last sentence. Units, dollars, thousands separators, `x =` and typography are taken
off, so that answers can be compared. Text that concludes nothing has no answer, and that is not an error.
"""

import re

_LONGEST_ANSWER = 400

_STEP_BREAK = re.compile(r"\n[ \t\r]*\n\s*")
_STEP_HEADING = re.compile(r"(?im)^(?=[ \t]*(?:#+[ \t]*|\*\*)?step[ \t]*\d+\b)")
_BOX = re.compile(r"\\(?:boxed|fbox)\s*")
_BARE_BOXED = re.compile(r"[^\s$.,;{}\\]+")
_NUMBER = r"[-+−]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:\s*/\s*\d+)?|[-+−]?\.\d+"
_HASHES = re.compile(r"(?m)^\s*####\s*(\S.*)$")
_SAID = re.compile(
    r"(?i)\b(?:final\s+answer|answer|result|solution)\b[*_ ]*(?:(?:is|are|=|:|equals|comes\s+to)[*_ ]*)+:?\s*(\S[^\n]*)"
)
_CONCLUDES = re.compile(
    r"(?i)^\W*(?:therefore|thus|so|hence|in total|altogether|finally|consequently|in conclusion|we get|this gives)\b"
)
_LAST_NUMBER = re.compile(rf"(?<![\w.])(?:{_NUMBER})(?!\w)")
_ALONE = re.compile(rf"^\W*?({_NUMBER})[\s.!*$]*$")
_SENTENCE_END = re.compile(r"(?<=[^\d\s])\.\s|(?<=\d)\.\s+(?=[A-Z])|\.$")

_WRAPPERS = (
    ("$$", "$$"),
    ("$", "$"),
    (r"\(", r"\)"),
    (r"\[", r"\]"),
    ("**", "**"),
    ("__", "__"),
    ("`", "`"),
    ('"', '"'),
)
_TEXT = re.compile(r"\\(?:text|textbf|textit|mathrm|mathbf|mathit|mbox|operatorname)\s*\{([^{}]*)\}")
_NOISE = re.compile(r"\\(?:left|right|displaystyle|,|;|:|!|>| |quad|qquad)(?![a-zA-Z])|\^\s*\{?\\circ\}?|°|\\?%|~")
_MONEY = re.compile(r"^([-+−]?)\s*(?:\\?\$|€|£|USD|EUR)\s*(?=[\d.])")
_NAMED = re.compile(r"^\s*\\?[a-zA-Z](?:_\{?\w+\}?)?(?:\([a-z]\))?\s*(?:=|:=|\\approx|≈)\s*(?=\S)")
_UNIT = r"(?:[a-zA-Z]{2,}|[a-zA-Z](?![a-zA-Z0-9(]))[a-zA-Z /.,'²³^23{}-]*"
_UNITS = re.compile(rf"^({_NUMBER}|[-+−]?\\[dt]?frac\s*\{{\d+\}}\s*\{{\d+\}})\s*({_UNIT})$")
_NO_UNIT = re.compile(r"(?i)\b(?:and|or|to|pi|sqrt|sin|cos|tan|log|ln|exp|mod|x|y|z|i|e|times|over|choose)\b")


def split_steps(text: str) -> tuple[str, ...]:
    """Return the steps of a solution, stripped, without empty ones.

    Steps are separated by blank lines; a model that skips them but numbers its steps is split there.
    """
    steps = [s.strip() for s in _STEP_BREAK.split(text) if s.strip()]
    if len(steps) == 1:
        steps = [s.strip() for s in _STEP_HEADING.split(text) if s.strip()]
    return tuple(steps)


def extract(text: str) -> str | None:
    """Return the final answer of a solution in a comparable form, or None when it states none."""
    for find in (_boxed, _after_hashes, _said, _concluded):
        if (raw := find(text)) and (answer := tidy(raw)):
            return answer
    return None


def tidy(raw: str) -> str:
    """Take off what is not the answer: mathematics marks, units, money signs, `x =`, a final full stop."""
    text = _unwrap(raw.strip()[:_LONGEST_ANSWER])
    text = _unwrap(_NOISE.sub("", _TEXT.sub(r" \1 ", text)).strip())
    text = _NAMED.sub("", _MONEY.sub(r"\1", text))
    if (unit := _UNITS.match(text)) and not _NO_UNIT.search(unit[2]):
        text = unit[1]
    choice = re.fullmatch(r"\(?([A-Z])\)?", text)
    text = choice[1] if choice else text
    return re.sub(r"\s+", " ", text.replace("−", "-")).strip()


def _unwrap(text: str) -> str:
    before = None
    while text != before:
        before = text
        text = text.strip().rstrip(".;,!*").strip()
        for opening, closing in _WRAPPERS:
            inner = text[len(opening) : -len(closing)]
            if (
                len(text) > len(opening) + len(closing)
                and text.startswith(opening)
                and text.endswith(closing)
                and opening not in inner
            ):
                text = inner
    return text


def _boxed(text: str) -> str | None:
    """Return the content of the last box that is closed and not empty."""
    for box in reversed(list(_BOX.finditer(text))):
        at = box.end()
        content = _braced(text, at) if text[at : at + 1] == "{" else _bare(text, at)
        if content and content.strip():
            return content
    return None


def _braced(text: str, start: int) -> str | None:
    depth = 0
    for i in range(start, min(len(text), start + _LONGEST_ANSWER)):
        depth += (text[i] == "{") - (text[i] == "}")
        if depth == 0:
            return text[start + 1 : i]
    return None


def _bare(text: str, start: int) -> str | None:
    found = _BARE_BOXED.match(text, start)
    return found[0] if found else None


def _after_hashes(text: str) -> str | None:
    found = _HASHES.findall(text)
    return found[-1] if found else None


def _said(text: str) -> str | None:
    said = _SAID.findall(text)
    return _SENTENCE_END.split(said[-1], maxsplit=1)[0] if said else None


def _concluded(text: str) -> str | None:
    """Read a conclusion without any marker off the last line: a number alone, `... = 12`, `So she has 12 left.`."""
    line = next((ln for ln in reversed(text[-2000:].splitlines()) if ln.strip()), "")[-_LONGEST_ANSWER:]
    if alone := _ALONE.match(line):
        return alone[1]
    if "=" in line and (right := _LAST_NUMBER.match(line.rpartition("=")[2].lstrip(" $*"))):
        return right[0]
    numbers = _LAST_NUMBER.findall(line) if _CONCLUDES.match(line) else []
    return numbers[-1] if numbers else None
