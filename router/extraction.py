r"""What a solution answers, and where its steps are, in text as language models really write it.

The box is looked for first; models that forget it mostly say what the answer is in words, end with an
equation, or conclude in a last sentence. Units, dollars, `x =` and typography are taken off, so that answers can
be compared. Text that concludes nothing has no answer, and that is not an error. All of it takes linear time.
"""

import re
from functools import lru_cache

from .types import Candidate, Finish

_LONGEST_ANSWER = 400
_LONGEST_ENDING = 20_000
_MOST_PLACES = 50
_MOST_WORDS = 8

_STEP_BREAK = re.compile(r"\n[ \t\r]*\n\s*")
_STEP_HEADING = re.compile(r"(?im)^(?=[ \t]*(?:#+[ \t]*|\*\*)?step[ \t]*\d+\b)")
_THOUGHT = re.compile(r"</think(?:ing)?>")
_THINKING = re.compile(r"<think(?:ing)?>")

_NUMBER = r"[-+]?(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?(?:\s*/\s*\d+)?|[-+]?\.\d+"
_FRACTION = r"[-+]?(?:\d+\s*)?\\[dt]?frac\s*\{\d+\}\s*\{\d+\}"
_BOX = re.compile(r"\\(?:boxed|fbox)\s*")
_BARE_BOXED = re.compile(r"[^\s$.,;{}\\]+(?:[.,]\d+)*")
_HASHES = re.compile(r"(?m)^[ \t]*####[ \t]*([^\s#].*)$")
_HASHED = re.compile(rf"{_NUMBER}|{_FRACTION}|[A-J]")
_SAID = re.compile(
    r"(?im)\b(?:answers?|correct[ \t]+(?:option|choice))\b[*_]{0,4}"
    r"(?:[ \t]+(?:to|for|of)\b[^\n.:=]{1,80}?)?[*_ \t]{0,20}"
    r"(?::|=|\b(?:is|are|was|equals|(?:would|should|must|will)[ \t]+be|comes[ \t]+to)\b(?![ \t]+not\b))"
    r"|^[ \t#*_]*(?:final[ \t]+)?answer[*_ \t]*$"
)
_FILLER = re.compile(
    r"(?i)(?:[\s*_:=]|```(?:\w*\n)?|(?:is|are|be|equal to|approximately|about|around|roughly|exactly|simply|just|only"
    r"|therefore|thus|now|clearly|indeed|option|choice)\b(?!\s*[),.;]))*"
)
_REMARK = re.compile(
    r"(?i)(?:that|to|not|in|based|given|found|obtained|correct|right|wrong|incorrect|as|clear|unclear|the|this|it|your"
    r"|reasonable|an?|first|let|(?:i|we|you|he|she|they|there)\s+[a-z]+)\b"
)
_ASIDE = re.compile(
    r"(?i),\s+(?=[a-z]{3})(?!and\b).*|\s+(?:because|since|which|so|where|as|when|after)\b.*|\s+\((?=[a-z]{2}).*"
)
_CONCLUDES = re.compile(
    r"(?i)\W*(?:therefore|thus|so|hence|in total|altogether|finally|consequently|in conclusion|we get|this gives"
    r"|(?:the\s+)?(?:final\s+)?(?:result|solution|total|sum)\b)"
)
_ANY_NUMBER = re.compile(rf"(?<![\w.,])(?:{_NUMBER})(?!\w)")
_ALONE = re.compile(rf"^\W*?({_NUMBER})[\s.!*$]*$")
_BOLD = re.compile(r"\*\*([^*]+)\*\*")
_FORMULA = re.compile(r"\$([^$]+)\$|\\\((.+?)\\\)")
_ANOTHER = re.compile(r"\s*(?:and|or|,)\s+[$\\]")
_PROSE = re.compile(r"(?<![\\a-zA-Z{])[a-zA-Z]{2,}")
_SENTENCE_END = re.compile(r"(?<=[^\d\s])[.!]\s|(?<=\d)[.!]\s+(?=[A-Z*])|[.!]$")

_WRAPPERS = tuple(w.split() for w in (r"$$ $$", r"$ $", r"\( \)", r"\[ \]", r"** **", r"__ __", r"` `", r'" "'))
_TEXT = re.compile(r"\\(?:text(?:bf|it|rm)?|math(?:rm|bf|it)|mbox|operatorname)\s*\{([^{}]*)\}")
_TEXT_UNIT = re.compile(r"(?<=[^\s{])\s*\\(?:text|mathrm|mbox|textrm)\s*\{\s*[a-z°][^{}]*\}(?:\s*\^\s*\{?\d\}?)?$")
_NOISE = re.compile(
    r"(?:\^\s*\{?\s*\\circ\s*\}?|°|\\degree)(?:\s*[CF](?![a-zA-Z]))?|\\?%|\\[!,;:>]"
    r"|\\(?:left|right|displaystyle)(?![a-zA-Z])"
)
_SPACE = re.compile(r"\\q?quad(?![a-zA-Z])|(?<!\\)\\ |~|\s+")
_MONEY = re.compile(r"^([-+]?)\s*(?:\\?\$|[€£¥₹]|USD|EUR|Rs\.?)\s*(?=[\d.])")
_NAME = re.compile(r"\\?[a-zA-Z][\w{}\\' ]*(?:\([\w, ]+\))?\s*|(?:[\d\s+*/().×·÷-]|\\times|\\cdot|\\div)+")
_SHORT_UNIT = r"(?:[cmk]m|[mk]?g|m[lL]|ft|in|lbs?|oz|mph|hrs?|mins?|secs?|[ap]m|[€£¥$])(?![a-zA-Z])"
_LETTER_UNIT = r"[mgshLlJWVKCFN](?![a-zA-Z])"
_UNIT = rf"(?:\s*{_SHORT_UNIT}|\s+{_LETTER_UNIT}|\s*[a-zA-Z]{{3,}}|\s+[a-zA-Z]{{2}}\b)[a-zA-Z /.,'^²³23{{}}-]*"
_UNITS = re.compile(rf"({_NUMBER}|{_FRACTION})({_UNIT})")
_NO_UNIT = re.compile(r"(?i)\b(?:and|or|to|pi|sqrt|sin|cos|tan|log|ln|exp|mod|times|over|choose)\b")
_CHOICE = re.compile(r"\(?([A-Z])\)?|\(([A-J])\)[\s:.].*|([A-J])[).:]\s+\S.*")


def split_steps(text: str) -> tuple[str, ...]:
    """Return the steps of a solution, stripped, without empty ones.

    Steps are separated by blank lines; a model that skips them but numbers its steps is split there.
    """
    steps = [s.strip() for s in _STEP_BREAK.split(text) if s.strip()]
    if len(steps) == 1:
        steps = [s.strip() for s in _STEP_HEADING.split(text) if s.strip()]
    return tuple(steps)


def stated(candidate: Candidate) -> str | None:
    """Return the answer a candidate states; of one that was cut only a closed box counts, not its last words."""
    return extract(candidate.text, cut=candidate.finish is not Finish.EOS)


@lru_cache(512)  # a solution is asked when it arrives, when the probe is graded, and when the vote is taken
def extract(text: str, *, cut: bool = False) -> str | None:
    """Return the final answer of a solution in a comparable form, or None when it states none.

    What a model thinks between <think> tags is no answer. With `cut` the text breaks off somewhere, so that only
    a closed box is believed: the last number of half a solution is not its answer.
    """
    spoken = _THINKING.split(_THOUGHT.split(text)[-1], maxsplit=1)[0].replace("−", "-").rstrip()
    boxes = [_boxed(spoken, m.end()) for m in list(_BOX.finditer(spoken))[-_MOST_PLACES:]]
    if filled := [box for box in boxes if box and box.strip()]:
        return tidy(filled[-1]) or None
    if cut or (boxes and boxes[-1] is None):
        return None
    found = (find(spoken[-_LONGEST_ENDING:]) for find in (_after_hashes, _said, _concluded))
    return next((answer for raw in found if raw and (answer := tidy(raw))), None)


def tidy(raw: str) -> str:
    """Take off what is not the answer: mathematics marks, units, money signs, `x =`, a final full stop."""
    text = raw[:_LONGEST_ANSWER].replace("−", "-").replace("{,}", ",")
    text = _TEXT.sub(r" \1 ", _TEXT_UNIT.sub("", _unwrap(_SPACE.sub(" ", text))))
    text = _unwrap(_SPACE.sub(" ", _NOISE.sub("", text)).strip())
    left, equals, right = text.replace(r"\approx", "=").replace("≈", "=").partition("=")
    if equals and "=" not in right and _NAME.fullmatch(left):
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
        for opening, closing in _WRAPPERS:
            inner = text[len(opening) : -len(closing)]
            if inner and text == opening + inner + closing and opening not in inner:
                text = inner
        text = text.rstrip(".;,!* 。")
    return text.removeprefix("**")


def _boxed(text: str, start: int) -> str | None:
    """Return the content of the box whose braces begin at `start`, or None when it is not closed."""
    if not text.startswith("{", start):
        bare = _BARE_BOXED.match(text, start)
        return bare[0] if bare else ""
    depth = 0
    for i in range(start, min(len(text), start + _LONGEST_ANSWER)):
        depth += (text[i] == "{") - (text[i] == "}")
        if depth == 0:
            return text[start + 1 : i]
    return None


def _after_hashes(text: str) -> str | None:
    """Return what follows the last `####`, unless that is the heading of a section."""
    found = [t for t in map(tidy, _HASHES.findall(text)[-_MOST_PLACES:]) if _HASHED.fullmatch(t)]
    return found[-1] if found else None


def _said(text: str) -> str | None:
    """Return what the last `the answer is ...` says it is."""
    said = (_claim(text, m.end()) for m in reversed(list(_SAID.finditer(text))[-_MOST_PLACES:]))
    return next((claim for claim in said if claim), None)


def _claim(text: str, at: int) -> str | None:
    """Read what is claimed from `at` on: a formula, or the words up to the end of the sentence."""
    rest = _FILLER.sub("", text[at : at + 2 * _LONGEST_ANSWER], count=1)[:_LONGEST_ANSWER]
    for opening, closing in _WRAPPERS[:4]:
        if rest.startswith(opening) and closing in rest[len(opening) :]:
            inner, _, after = rest[len(opening) :].partition(closing)
            money = opening == "$" and _PROSE.search(inner)  # $5 and $6
            if not (money or _ANOTHER.match(after)):
                return inner
            rest = rest if money else rest.replace(opening, "").replace(closing, "")
    line = _SENTENCE_END.split(rest.partition("\n")[0], maxsplit=1)[0]
    claim = _ASIDE.sub("", line)
    if _REMARK.match(claim) or len(claim.split()) > _MOST_WORDS:
        numbers = _ANY_NUMBER.findall(line)
        return numbers[0] if len(numbers) == 1 else None
    return claim


def _concluded(text: str) -> str | None:
    """Read a conclusion without any marker off the last line: a number alone, `... = 12`, `So she has 12 left.`."""
    lines = reversed(text[-2000:].splitlines())
    line = next((ln for ln in lines if any(c.isalnum() for c in ln)), "")[-_LONGEST_ANSWER:]
    if alone := _ALONE.match(line):
        return alone[1]
    concludes = _CONCLUDES.match(line) is not None
    for bold in reversed(_BOLD.findall(line)):
        if _ANY_NUMBER.search(value := tidy(bold.rpartition("=")[2])):
            return value
    for formula in reversed(_FORMULA.findall(line) if concludes else []):
        value = "".join(formula).rpartition("=")[2].strip()
        if value and not _PROSE.search(value):
            return value
    right = line.rpartition("=")[2].lstrip(" $*").rstrip(" $*.]\\)") if "=" in line else ""
    if number := _ANY_NUMBER.match(right):
        return number[0]
    if right and not _PROSE.search(right):
        return right
    numbers = _ANY_NUMBER.findall(line) if concludes else []
    return numbers[-1] if numbers else None
