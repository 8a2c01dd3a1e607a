r"""Files of questions with published answers, as their authors publish them.

    math500   problem, solution, answer, subject, level, unique_id (Lightman et al. 2023); of the older form of MATH
              (Hendrycks et al. 2021) level is "Level 5" and the answer only in the \boxed of the solution
    gsm8k     question, answer; the answer ends in "#### 1,234" (Cobbe et al. 2021)
    aime      problem, answer, id in any letter case; answers are whole numbers from 0 to 999, "025" is 25
    plain     question (or problem, prompt, input, or messages of one user message), answer, level, subject, id;
              all but the question may be missing

Lines end at line feeds only: a string may hold any other separator. A repeated id gets a suffix (`7`, `7#2`), since
files are often several files put together; a question without an id has its line number.
"""

import gzip
import json
import re
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path
from typing import Any, cast

Row = Mapping[str, Any]

_LONGEST_LINE = 1 << 24
_LARGEST_LIST = 1 << 28
_TEXTS = ("question", "problem", "prompt", "input")
_HASHES = "####"
_LEVEL = re.compile(r"(?:level\s*)?([1-5])", re.IGNORECASE)
_BOX = re.compile(r"\\(?:boxed|fbox)\s*")
_BARE_BOX = re.compile(r"[^\s$\\{}]+?(?=[.,;]?(?:[\s$\\]|$))")
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?:\D|$))")
_AIME = re.compile(r"0*(\d{1,3})")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Question:
    """One question of a file. `answer` is the published final one; `level` is from 1 (easy) to 5 (hard).

    What the file does not say is None. `id` is unique within the file.
    """

    id: str
    text: str
    answer: str | None
    level: int | None
    subject: str | None


class _Fault(Exception):
    """What is wrong with one row, in plain words."""


def read(path: Path, form: str | None = None) -> list[Question]:
    """Read a .jsonl, .jsonl.gz or .json file of one form (see FORMS), which is recognised where none is named.

    Raises ValueError, naming the file and the line (the entry, in a .json list), and OSError.
    """
    if form is not None and form not in FORMS:
        raise ValueError(f"'{form}' is no form of questions: one of {', '.join(FORMS)}")
    rows = list(_entries(path) if path.suffix == ".json" else _lines(path))
    if not rows:
        raise ValueError(f"{path} holds no questions")
    understand = FORMS[form or _recognised([row for _, row in rows])]
    questions, seen = list[Question](), set[str]()
    for place, row in rows:
        try:
            question = understand({key.lower(): value for key, value in row.items()}, place.rpartition(" ")[2])
        except _Fault as fault:
            raise ValueError(f"{path}, {place}: {fault}") from None
        questions.append(replace(question, id=_unique(question.id, seen)))
    return questions


def digest(questions: Sequence[Question]) -> str:
    """Return 16 hexadecimal digits that identify the ids, texts and answers of these questions, in their order."""
    content = json.dumps([(q.id, q.text, q.answer) for q in questions])
    return blake2b(content.encode(), digest_size=8).hexdigest()


def _lines(path: Path) -> Iterator[tuple[str, Row]]:
    for number, line in enumerate(_raw_lines(path), start=1):
        if len(line) > _LONGEST_LINE:
            raise ValueError(f"{path}, line {number}: longer than {_LONGEST_LINE >> 20} MiB")
        if text := line.removeprefix(_BYTE_ORDER_MARK if number == 1 else b"").strip():
            place = f"line {number}"
            yield place, _row(_parsed(path, place, text), path, place)


def _raw_lines(path: Path) -> Iterator[bytes]:
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        try:
            while line := file.readline(_LONGEST_LINE + 1):
                yield line
        except (gzip.BadGzipFile, EOFError, zlib.error) as fault:
            raise ValueError(f"{path} is no whole gzip file: {fault}") from fault


def _entries(path: Path) -> Iterator[tuple[str, Row]]:
    if path.stat().st_size > _LARGEST_LIST:
        raise ValueError(f"{path} is larger than {_LARGEST_LIST >> 20} MiB: make it a .jsonl file")
    entries = _parsed(path, "line 1", path.read_bytes().removeprefix(_BYTE_ORDER_MARK))
    if not isinstance(entries, list):
        raise ValueError(f"{path} holds no JSON list; one object a line is a .jsonl file")  # noqa: TRY004
    for number, entry in enumerate(cast("list[object]", entries), start=1):
        place = f"entry {number}"
        yield place, _row(entry, path, place)


def _parsed(path: Path, place: str, text: bytes) -> object:
    try:
        return json.loads(text.decode())
    except json.JSONDecodeError as fault:
        place = f"line {fault.lineno}" if path.suffix == ".json" else place
        raise ValueError(f"{path}, {place}: not JSON ({fault.msg} at character {fault.colno})") from None
    except UnicodeDecodeError as fault:
        raise ValueError(f"{path}, {place}: not UTF-8 (byte {fault.start})") from None
    except (ValueError, RecursionError):  # a number of thousands of digits; brackets nested without end
        raise ValueError(f"{path}, {place}: not readable as JSON") from None


def _row(entry: object, path: Path, place: str) -> Row:
    if not isinstance(entry, dict):
        raise ValueError(f"{path}, {place}: not an object but {json.dumps(entry)[:40]}")  # noqa: TRY004
    return cast("dict[str, Any]", entry)


def _unique(name: str, seen: set[str]) -> str:
    unique, count = name, 1
    while unique in seen:
        count += 1
        unique = f"{name}#{count}"
    seen.add(unique)
    return unique


def _recognised(rows: Sequence[Row]) -> str:
    """Name the form of a file by the keys of its first row, and by its answers where the keys leave it open."""
    first = {key.lower(): value for key, value in rows[0].items()}
    keys = set(first)
    if "unique_id" in keys or {"problem", "solution", "level"} <= keys:
        return "math500"
    if "question" in keys and _HASHES in str(first.get("answer")):
        return "gsm8k"
    if {"problem", "answer", "id"} <= keys:
        answers = ({key.lower(): value for key, value in row.items()}.get("answer") for row in rows)
        if all(_AIME.fullmatch(str(answer)) for answer in answers):
            return "aime"
    return "plain"


def _math500(row: Row, place: str) -> Question:
    answer = row.get("answer")
    return Question(
        id=_id(row.get("unique_id"), place),
        text=_text(row, "problem"),
        answer=_boxed(_text(row, "solution")) if answer is None else _text(row, "answer").strip(),
        level=_level(row.get("level")),
        subject=_subject(row.get("subject", row.get("type"))),
    )


def _gsm8k(row: Row, place: str) -> Question:
    _, hashes, final = _text(row, "answer").rpartition(_HASHES)
    if not (hashes and final.strip()):
        raise _Fault(f"'answer' does not end in '{_HASHES} ' and a number")
    answer = _THOUSANDS.sub("", final.strip())
    return Question(_id(row.get("id"), place), _text(row, "question"), answer, None, None)


def _aime(row: Row, place: str) -> Question:
    answer = row.get("answer")
    whole = None if isinstance(answer, bool) else _AIME.fullmatch(str(answer).strip())
    if whole is None:
        raise _Fault(f"'answer' is not a whole number from 0 to 999 but {str(answer)[:40]!r}")
    return Question(_id(row.get("id"), place), _text(row, "problem"), str(int(whole[1])), None, None)


def _plain(row: Row, place: str) -> Question:
    return Question(
        id=_id(row.get("id"), place),
        text=_asked(row),
        answer=_answer(row.get("answer")),
        level=_level(row.get("level")),
        subject=_subject(row.get("subject")),
    )


FORMS: Mapping[str, Callable[[Row, str], Question]] = {
    "math500": _math500,
    "gsm8k": _gsm8k,
    "aime": _aime,
    "plain": _plain,
}
"""Each form and what reads one row of it, whose keys are in lower case; raises _Fault."""


def _text(row: Row, key: str) -> str:
    if key not in row:
        raise _Fault(f"no '{key}' (there is {', '.join(sorted(row)[:8]) or 'nothing'})")
    text = row[key]
    if not isinstance(text, str) or not text.strip():
        raise _Fault(f"'{key}' is not a text but {str(text)[:40]!r}")
    if not text.isascii() and any("\ud800" <= c <= "\udfff" for c in text):
        raise _Fault(f"'{key}' holds half a character (an unpaired surrogate)")
    return text


def _asked(row: Row) -> str:
    if key := next((k for k in _TEXTS if k in row), None):
        return _text(row, key)
    messages = row.get("messages")
    match messages:
        case [{"role": "user", "content": str()}]:
            return _text({"messages": messages[0]["content"]}, "messages")
        case None:
            raise _Fault(f"no question: one of {', '.join(_TEXTS)} or messages is needed")
        case _:
            raise _Fault("'messages' is not one message of the user, with a text")


def _id(value: object, place: str) -> str:
    if value is None or (isinstance(value, str) and not value.strip()):
        return place
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise _Fault(f"the id is neither a text nor a whole number but {str(value)[:40]!r}")
    return str(value)


def _answer(value: object) -> str | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise _Fault(f"'answer' is neither a text nor a number but {str(value)[:40]!r}")
    return _text({"answer": str(value)}, "answer").strip()


def _level(value: object) -> int | None:
    if value in (None, "Level ?"):  # so in a few rows of MATH
        return None
    level = None if isinstance(value, bool) else _LEVEL.fullmatch(str(value).strip())
    if level is None:
        raise _Fault(f"'level' is not from 1 to 5 but {str(value)[:40]!r}")
    return int(level[1])


def _subject(value: object) -> str | None:
    return value if isinstance(value, str) and value.strip() else None


def _boxed(solution: str) -> str:
    """Return what is in the last box of a solution."""
    for box in reversed(list(_BOX.finditer(solution))):
        if not solution.startswith("{", box.end()):
            inner = bare[0] if (bare := _BARE_BOX.match(solution, box.end())) else ""
        else:
            inner = _braced(solution, box.end())
        if inner.strip():
            return inner.strip()
    raise _Fault("no 'answer', and no closed \\boxed in 'solution'")


def _braced(text: str, start: int) -> str:
    """Return what stands between the brace at `start` and the one that closes it; empty when none does."""
    depth = 0
    for at in range(start, len(text)):
        depth += (text[at] == "{") - (text[at] == "}")
        if depth == 0:
            return text[start + 1 : at]
    return ""
