r"""What a solution answers, and where its steps are, in text as language models really write it.

The box is looked for first; models that forget it mostly say what the answer is in words, end with an
equation, or conclude in a last sentence. Units, dollars, `x =` and typography are taken off, so that answers can
be compared. Text that concludes nothing has no answer, and that is not an error. All of it takes linear time.
"""

import re
from functools import lru_cache
from itertools import pairwise

from .tidying import FRACTION, LONGEST_ANSWER, NUMBER, WRAPPERS, tidy
from .types import Candidate, Finish

_LONGEST_ENDING = 20_000
_MOST_PLACES = 50
_MOST_WORDS = 8
_LONGEST_REMARK = 30
_MOST_REMARKS = 3
_LONGEST_CALCULATION = 80

_STEP_BREAK = re.compile(r"\n[ \t\r]*\n\s*")
_STEP_HEADING = re.compile(r"(?im)^(?=[ \t]*(?:#+[ \t]*|\*\*)?step[ \t]*\d+\b)")
_THOUGHT = re.compile(r"</think(?:ing)?>")
_THINKING = re.compile(r"<think(?:ing)?>")

_BOX = re.compile(r"\\(?:boxed|fbox|Box(?=\s*\{))\s*")
_JOINT = re.compile(r"[\s$]*(?:\\\))?\s*(?:,\s*(?:and\b|or\b)?|and\b|or\b)[\s$]*(?:\\\()?\s*(?:[a-zA-Z]\s*=)?\s*")
_OPENS = re.compile(r"[\s$]*(?:[-+*/^×÷]|\\(?:times|cdot|div)(?![a-zA-Z]))\s*[$(]*(?:\d|\\[a-zA-Z])")
_BARE_BOXED = re.compile(r"[^\s$.,;{}\\]+(?:[.,]\d+)*")
_HASHES = re.compile(r"(?m)^[ \t]*####[ \t]*([^\s#].*)$")
_HASHED = re.compile(rf"{NUMBER}|{FRACTION}|[A-J]")
_SAID = re.compile(
    r"(?im)\b(?:answers?|correct[ \t]+(?:option|choice))\b[*_]{0,4}"
    r"(?:[ \t]+(?:to|for|of)\b(?:[^\n.:=\"“]|[\"“][^\n\"“”]{0,160}[\"”]){1,80}?)?[*_ \t]{0,20}"
    r"(?::|=|\b(?:is|are|was|equals|(?:would|should|must|will)[ \t]+be|comes[ \t]+to)\b(?![ \t]+not\b))"
    r"|^[ \t#*_]*(?:final[ \t]+)?answer[*_ \t]*$|<answer>"
)
_FILLER = re.compile(
    r"(?i)(?:[\s*_:=]|```(?:\w*\n)?|(?:is|are|be|equal to|approximately|about|around|roughly|exactly|simply|just|only"
    r"|therefore|thus|now|clearly|indeed|option|choice|actually|always|already|still|also|(?:most\s+)?likely|probably"
    r"|obviously|precisely|definitely|certainly|nearly|almost)\b(?!\s*[),.;]))*"
)
_REMARK = re.compile(
    r"(?i)(?:that|to|in|based|given|found|obtained|correct|right|wrong|incorrect|as|clear|unclear|the|this|it|your"
    r"|reasonable|an?|first|let|within|inside|above|below|here|shown|known|written|provided|expressed|explained"
    r"|calculated|computed|determined|derived|easy|hard|difficult|obvious|straightforward|very|quite|what|how|why"
    r"|whether|if|(?:i|we|you|he|she|they|there)\s+[a-z]+"
    r"|[a-z]+\s+(?:[a-z]+\s+)?(?:has|have|had|will|would|should|can|could|must|needs?|makes?|gets?|pays?|earns?))\b"
)
_DENIAL = re.compile(r"(?i)(?:not|never|neither|nor)\b")
_ASIDE = re.compile(
    r"(?i),\s+(?=[a-z]{3})(?!and\b).*|\s+(?:because|since|which|so|where|as|when|after)\b.*|\s+\((?=[a-z]{2}).*"
)
_CONCLUDES = re.compile(
    r"(?i)\W*(?:(?:therefore|thus|so|hence|in total|altogether|finally|consequently|in conclusion|we get|this gives)\b"
    r"|(?:the\s+)?(?:final\s+)?(?:result|solution|total|sum)\b)"
)
_REASON = re.compile(r"\s(?:because|since|as (?=this|it\b|there|the[ y]|s?he\b|you)|which is (?=the |less|more)).*")
_ANY_NUMBER = re.compile(rf"(?<![\w.,])(?<!\d:)(?:{NUMBER})(?!\w|:\d)")
_LABEL = re.compile(r"(?i)\b(?:step|page|chapter|line|section|part|figure|table|equation|question|problem)\s+#?\d+")
_ANY_WORD = re.compile(r"[^\W_]")
_ANY_VALUE = re.compile(r"[\d=$\\]")
_DIGIT = re.compile(r"\d")
_ALONE = re.compile(rf"^\W*?({NUMBER})[\s.!*$]*$")
_ITEM = re.compile(r"\d+[.)]\s")
_BOLD = re.compile(r"\*\*([^*]+)\*\*")
_FORMULA = re.compile(r"\$(?!\s)([^$]+)(?<!\s)\$(?!\d)|\\\((.+?)\\\)")
_ANOTHER = re.compile(r"\s*(?:and|or|,)\s+[$\\]")
_PROSE = re.compile(r"(?<![\\a-zA-Z{])[a-zA-Z]{2,}")
_SENTENCE_END = re.compile(r"(?<=[^\d\s])[.!]\s|(?<=\d)[.!]\s+(?=[A-Z*])|[.!]$")
_SENTENCE_BREAK = re.compile(
    r"(?<=[.!?])(?<!\bM[rs]\.)(?<!\bMrs\.)(?<!\b[DS][rt]\.)(?<!\bNo\.)(?<!\bapprox\.)\s+(?=[A-Z*$\\\"(])"
)
_NO_REMARK = re.compile(
    r"(?i)[\d=|{}`]|:$|n't\b|\b(?:not|no|wrong|incorrect|wait|however|but|unless|mistakes?|errors?|check|hmm|instead)\b"
)

_TERM = r"[($]*(?:\d[\d,]*(?:\.\d+)?|\.\d+)(?:\s*(?:\\?%|°)|\s*[a-zA-Z]{2,}(?:[ /][a-zA-Z]{2,})?)?\)*"
_OPERATOR = r"\s*(?:[-+*/×÷·^–]|\\(?:times|cdot|div)|x|plus|minus|times|(?:divided|multiplied) by)\s*"
_QUANTITY = re.compile(rf"[\s$*]*{_TERM}[\s,$*]*")
_CALCULATION = re.compile(rf"{_TERM}{_OPERATOR}-?{_TERM}[\s,$*]*$")
_EQUALS = re.compile(
    r"\s(?:which\s+|that\s+)?(?:is|are|equals?|gives|makes)\b(?:\s+equal\s+to\b)?|(?<![=<>!:])=(?![=>])"
)
_VALUE = re.compile(
    rf"[\s$*]*({NUMBER})(?![\d.,]*\d|[\w(]|\s*[-+*/×÷·^]\s*[$(]*[\d.]|\s*[+*^]\s*[a-zA-Z(]"
    r"|\s*\\(?:times|cdot|div|[dt]?frac|sqrt|pi)|\s+(?:x|plus|minus|times|divided by|multiplied by)\s+[\d($])"
)
_CODE = re.compile(r"[=+*/%:-]=|=>|;\s*$|\b(?:return|def|const|var|self)\b")
_ROUNDED = re.compile(rf"(?i)\brounds?(?:\s+(?:up|down))?\s+to\s+\$?({NUMBER})(?!\s+decimal)")
_LANGUAGE = re.compile(
    r"(?i)(?:python|py|c|cpp|c\+\+|cs|csharp|java|javascript|js|typescript|ts|go|rust|bash|sh|shell|sql|html|css|r|ruby"
    r"|php|json|yaml)\d?\s*\n"
)


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
    places = list(_BOX.finditer(spoken))[-_MOST_PLACES:]
    boxes = [(place, _boxed(spoken, place.end())) for place in places]
    if filled := [(place, box) for place, box in boxes if box and box.strip()]:
        return tidy(_later(spoken, *filled[-1], cut) or _joint(spoken, filled)) or None
    if cut or (boxes and boxes[-1][1] is None):
        return None
    ending = _without_code(spoken[-_LONGEST_ENDING:])
    found = (find(ending) for find in (_after_hashes, _said, _concluded))
    return next((answer for raw in found if raw and (answer := tidy(raw))), None)


def _boxed(text: str, start: int) -> str | None:
    """Return the content of the box whose braces begin at `start`, or None when it is not closed."""
    if not text.startswith("{", start):
        bare = _BARE_BOXED.match(text, start)
        return bare[0] if bare else ""
    depth = 0
    for i in range(start, min(len(text), start + LONGEST_ANSWER)):
        depth += (text[i] == "{") - (text[i] == "}")
        if depth == 0:
            return text[start + 1 : i]
    return None


def _later(text: str, place: re.Match[str], box: str, cut: bool) -> str | None:
    r"""Return what is claimed after a box that only opens a formula: `\boxed{2} + 3 ... The answer is 5`."""
    after = place.end() + len(box) + 2
    if cut or not text.startswith("{", place.end()) or not _OPENS.match(text, after):
        return None
    claim = _said(text[after:][-_LONGEST_ENDING:])
    return claim if claim and _ANY_NUMBER.search(claim) else None


def _joint(text: str, filled: list[tuple[re.Match[str], str]]) -> str:
    r"""Return what the last box holds, together with those it is listed with: `x = \boxed{2} or x = \boxed{3}`."""
    if len(filled) == 1:
        return filled[0][1]
    held = [filled[-1][1]]
    for (before, box), (after, _) in reversed(list(pairwise(filled))):
        gap = text[before.end() + len(box) + 2 : after.start()]
        if not _JOINT.fullmatch(gap):
            break
        held.append(box)
    return ", ".join(dict.fromkeys(tidy(box) for box in reversed(held)))


def _without_code(text: str) -> str:
    """Take out fenced blocks of a programming language, whose last line is no conclusion."""
    if "```" not in text:
        return text
    parts = text.split("```")
    return "```".join(part for i, part in enumerate(parts) if i % 2 == 0 or not _LANGUAGE.match(part))


def _after_hashes(text: str) -> str | None:
    """Return what follows the last `####`, unless that is the heading of a section."""
    found = [t for t in (tidy(h.rstrip("!")) for h in _HASHES.findall(text)[-_MOST_PLACES:]) if _HASHED.fullmatch(t)]
    return found[-1] if found else None


def _said(text: str) -> str | None:
    """Return what the last `the answer is ...` says it is."""
    if "answer" not in (lower := text.lower()) and "correct" not in lower:  # looking at every word takes longer
        return None
    said = (_claim(text, m.end()) for m in reversed(list(_SAID.finditer(text))[-_MOST_PLACES:]))
    return next((claim for claim in said if claim), None)


def _claim(text: str, at: int) -> str | None:
    """Read what is claimed from `at` on: a formula, or the words up to the end of the sentence."""
    rest = _FILLER.sub("", text[at : at + 2 * LONGEST_ANSWER], count=1)[:LONGEST_ANSWER].partition("</answer>")[0]
    for opening, closing in WRAPPERS[:4]:
        if rest.startswith(opening) and closing in rest[len(opening) :]:
            inner, _, after = rest[len(opening) :].partition(closing)
            money = opening == "$" and (_PROSE.search(inner) or after[:1].isdigit())  # $5 and $6, $9-$4
            if not (money or _ANOTHER.match(after)):
                return inner
            rest = rest if money else rest.replace(opening, "").replace(closing, "")
    line = _SENTENCE_END.split(rest.partition("\n")[0].replace("!**", "**"), maxsplit=1)[0]
    if _DENIAL.match(line):
        return None
    claim = _ASIDE.sub("", line)
    if _REMARK.match(claim) or len(claim.split()) > _MOST_WORDS:
        numbers = _ANY_NUMBER.findall(_LABEL.sub("", line))
        return numbers[0] if len(numbers) == 1 else _evaluated(line)
    calculated = _EQUALS.search(line)
    return _evaluated(line) if calculated and _CALCULATION.match(line[: calculated.start()]) else claim


def _evaluated(text: str) -> str | None:
    """Return what the last calculation comes to: `3 * 4 = 12`, `3 times 4 equals 12`, `3 * 4, which is 12`."""
    sides = _EQUALS.split(text)
    for i in range(len(sides) - 1, 0, -1):
        if value := _VALUE.match(sides[i]):
            left = sides[i - 1]
            if i > 1 and _QUANTITY.fullmatch(left):  # = 0.5 hours, which is 30 minutes
                left = sides[i - 2]
            if _CALCULATION.search(left[-_LONGEST_CALCULATION:]):
                return value[1]
    return None


def _concluded(text: str) -> str | None:
    """Read a conclusion without any marker off the last words: a number alone, `... = 12`, `So she has 12 left.`."""
    text = text[-2000:]
    lines = [line[-LONGEST_ANSWER:] for line in text.splitlines()[-20:] if _ANY_WORD.search(line)]
    if not lines or not _ANY_VALUE.search(text):
        return None
    if alone := _ALONE.match(lines[-1]):
        return alone[1]
    *before, last = _sentences(lines.pop())
    if found := _ended(last):
        return found
    before = before or _sentences(lines.pop() if lines else "")
    if _DIGIT.search(last):  # 8 * 3 = 24. She has 24 apples.
        value = _VALUE.match(before[-1].rpartition("=")[2]) if "=" in before[-1] else None
        return value[1] if value and {value[1]} == set(_ANY_NUMBER.findall(_LABEL.sub("", last))) else None
    for _ in range(_MOST_REMARKS):  # 8 * 3 = 24. Correct!
        if not _is_remark(last):
            break
        *before, last = before or _sentences(lines.pop() if lines else "")
        if _CONCLUDES.match(last) or (_DIGIT.search(last) and _evaluated(last)):
            return _ended(last)
    return None


def _sentences(line: str) -> list[str]:
    return [s for s in _SENTENCE_BREAK.split(line) if _ANY_WORD.search(s)] or [""]


def _is_remark(sentence: str) -> bool:
    """Tell whether these are a few words that add nothing and take nothing back."""
    return 0 < len(sentence.split()) <= _LONGEST_REMARK and not _NO_REMARK.search(sentence)


def _ended(sentence: str) -> str | None:
    """Read what a last sentence concludes with."""
    concludes = _CONCLUDES.match(sentence) is not None
    if not (concludes or "=" in sentence or _DIGIT.search(sentence)) or sentence.rstrip("* ").endswith(("?", ":")):
        return None
    if found := _emphasised(sentence):
        return found
    for formula in reversed(_FORMULA.findall(sentence) if concludes else []):
        value = "".join(formula).rpartition("=")[2].strip()
        if value and not _PROSE.search(value):
            return value
    main = _REASON.sub("", sentence)
    return _equal(main, sentence) or (_last_number(main) or _last_number(sentence) if concludes else None)


def _emphasised(sentence: str) -> str | None:
    """Return the last value in bold letters, which otherwise are headings."""
    for bold in reversed(_BOLD.findall(sentence) if "**" in sentence else []):
        value = tidy(bold.rpartition("=")[2].rstrip("!"))
        if _ANY_NUMBER.search(_LABEL.sub("", value)) and not _ITEM.match(value):
            return value
    return None


def _equal(main: str, sentence: str) -> str | None:
    """Return what a sentence says something is equal to; what is only a reason comes second."""
    if "=" in sentence and (rounded := _ROUNDED.search(sentence)):
        return rounded[1]
    _, equals, right = sentence.rpartition("=")
    number = _VALUE.match(right) if equals else None
    if number and main == sentence and not _EQUALS.search(right):
        return number[1]
    if value := _evaluated(main) or (_evaluated(sentence) if main != sentence else None):
        return value
    if not equals or number:
        return number[1] if number else None
    right = right.lstrip(" $*").rstrip(" $*.]\\)")
    return right if right and not (_PROSE.search(right) or _CODE.search(sentence)) else None


def _last_number(text: str) -> str | None:
    numbers = _ANY_NUMBER.findall(text)
    return numbers[-1] if numbers else None
