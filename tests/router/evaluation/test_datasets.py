"""Files as their authors publish them, and files as they are met: half, doubled, mangled."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from router.evaluation.datasets import FORMS, Question, digest, read

MATH = {
    "problem": "What is $1 + \\frac12$?",
    "solution": "It is $\\boxed{\\frac{3}{2}}$.",
    "answer": "\\frac{3}{2}",
    "subject": "Prealgebra",
    "level": 2,
    "unique_id": "test/prealgebra/7.json",
}
OLD_MATH = {
    "problem": "Solve.",
    "level": "Level 5",
    "type": "Algebra",
    "solution": "First $\\boxed{1}$, then $x = \\boxed{\\frac{3}{2}}$.",
}
GSM = {"question": "How many?", "answer": "He has 2*617=<<2*617=1234>>1234.\n#### 1,234"}


def jsonl(folder: Path, *rows: object, name: str = "q.jsonl") -> Path:
    path = folder / name
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def one(folder: Path, row: dict[str, Any], form: str | None = None) -> Question:
    (question,) = read(jsonl(folder, row), form)
    return question


def test_math_500_is_read_as_it_is_published(tmp_path: Path):
    expected = Question("test/prealgebra/7.json", MATH["problem"], "\\frac{3}{2}", 2, "Prealgebra")
    assert one(tmp_path, MATH) == expected


def test_the_older_form_of_math_has_its_answer_in_the_last_box(tmp_path: Path):
    assert one(tmp_path, OLD_MATH) == Question("1", "Solve.", "\\frac{3}{2}", 5, "Algebra")


@pytest.mark.parametrize(
    ("solution", "answer"),
    [
        (r"so $\boxed{\{1, \frac{1}{2}\}}$", r"\{1, \frac{1}{2}\}"),
        (r"so $\boxed 7$.", "7"),
        (r"so $\boxed 0.5$.", "0.5"),
        (r"so \fbox{B}", "B"),
        (r"so $\boxed{3}$, as $\boxed{}$ and $\boxed{4$ show", "3"),
    ],
)
def test_a_box_is_read_with_its_braces(tmp_path: Path, solution: str, answer: str):
    assert one(tmp_path, OLD_MATH | {"solution": solution}).answer == answer


def test_a_level_that_the_authors_do_not_know_is_none(tmp_path: Path):
    assert one(tmp_path, OLD_MATH | {"level": "Level ?"}).level is None


def test_the_answer_of_gsm8k_follows_the_hashes_and_has_no_commas(tmp_path: Path):
    assert one(tmp_path, GSM) == Question("1", "How many?", "1234", None, None)


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (
            {"ID": "2024-I-4", "Problem": "Find it.", "Solution": "...", "Answer": 33},
            Question("2024-I-4", "Find it.", "33", None, None),
        ),
        (
            {"id": 60, "problem": "Find it.", "solution": "", "answer": "025", "url": "-", "year": "2024"},
            Question("60", "Find it.", "25", None, None),
        ),
        ({"problem": "Find it.", "answer": "0", "id": "3"}, Question("3", "Find it.", "0", None, None)),
    ],
)
def test_aime_is_read_in_each_of_its_published_spellings(tmp_path: Path, row: dict[str, Any], expected: Question):
    assert one(tmp_path, row) == expected


def test_questions_with_other_answers_than_numbers_up_to_999_are_not_taken_for_aime(tmp_path: Path):
    rows = [{"id": 1, "problem": "a", "answer": "025"}, {"id": 2, "problem": "b", "answer": "1/2"}]
    assert [q.answer for q in read(jsonl(tmp_path, *rows))] == ["025", "1/2"]


@pytest.mark.parametrize("key", ["question", "problem", "prompt", "input"])
def test_plain_questions_may_be_called_many_things_and_lack_all_else(tmp_path: Path, key: str):
    assert one(tmp_path, {key: " 2+2? "}) == Question("1", " 2+2? ", None, None, None)


def test_plain_questions_may_come_as_a_message(tmp_path: Path):
    row = {"messages": [{"role": "user", "content": "2+2?"}], "answer": 4, "level": "3", "subject": "sums", "id": "x"}
    assert one(tmp_path, row) == Question("x", "2+2?", "4", 3, "sums")


@pytest.mark.parametrize(("answer", "read_as"), [(0.5, "0.5"), (-3, "-3"), (" 7 ", "7"), (None, None)])
def test_plain_answers_may_be_numbers_texts_or_null(tmp_path: Path, answer: object, read_as: str | None):
    assert one(tmp_path, {"question": "?", "answer": answer}).answer == read_as


def test_a_compressed_file_and_a_list_hold_the_same_questions(tmp_path: Path):
    rows = [GSM, GSM | {"question": "And now?"}]
    plain = read(jsonl(tmp_path, *rows))
    (tmp_path / "q.jsonl.gz").write_bytes(gzip.compress((tmp_path / "q.jsonl").read_bytes()))
    (tmp_path / "q.json").write_text("\ufeff" + json.dumps(rows, indent=1), encoding="utf-8")
    assert read(tmp_path / "q.jsonl.gz") == plain == read(tmp_path / "q.json")
    assert len(plain) == 2


def test_marks_of_other_systems_and_blank_lines_do_no_harm(tmp_path: Path):
    path = tmp_path / "q.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"question": "a"}\r\n\r\n  \n{"question": "b"}')
    assert [(q.id, q.text) for q in read(path)] == [("1", "a"), ("4", "b")]


def test_only_line_feeds_end_a_line(tmp_path: Path):
    text = "one\u2028two\u2029three\x85four\x0bfive"
    path = tmp_path / "q.jsonl"
    path.write_text('{"question": "' + text.replace("\x0b", "\\u000b") + '"}\n', encoding="utf-8")
    assert [q.text for q in read(path)] == [text]


def test_repeated_ids_are_made_unique(tmp_path: Path):
    rows = [{"id": i, "question": f"{n}?"} for n, i in enumerate(["7", 7, "7#2", "", None])]
    assert [q.id for q in read(jsonl(tmp_path, *rows))] == ["7", "7#2", "7#2#2", "4", "5"]


@pytest.mark.parametrize(
    ("row", "form", "message"),
    [
        ({"problem": "?"}, "math500", "no 'solution'"),
        (OLD_MATH | {"solution": "none"}, None, r"no closed \\boxed"),
        (OLD_MATH | {"level": "Level 6"}, None, "'level' is not from 1 to 5"),
        (MATH | {"level": True}, None, "'level' is not from 1 to 5"),
        (MATH | {"problem": "  "}, None, "'problem' is not a text"),
        (MATH | {"unique_id": [1]}, None, "the id is neither"),
        (GSM | {"answer": "5"}, "gsm8k", "does not end in '####"),
        (GSM | {"answer": "#### "}, None, "does not end in '####"),
        ({"problem": "?", "answer": 1000, "id": 1}, "aime", "0 to 999 but '1000'"),
        ({"problem": "?", "answer": True, "id": 1}, "aime", "0 to 999"),
        ({"problem": "?", "id": 1}, "aime", "0 to 999 but 'None'"),
        ({"text": "?"}, None, "no question"),
        ({"question": 5}, None, "'question' is not a text but '5'"),
        ({"question": "?", "answer": ["5"]}, None, "'answer' is neither"),
        ({"question": "?", "answer": ""}, None, "'answer' is not a text"),
        ({"messages": [{"role": "system", "content": "x"}, {"role": "user", "content": "y"}]}, None, "'messages'"),
        ({}, "gsm8k", r"no 'answer' \(there is nothing\)"),
    ],
)
def test_a_row_that_is_not_of_the_form_is_named(tmp_path: Path, row: dict[str, Any], form: str | None, message: str):
    good = {"math500": MATH, "gsm8k": GSM, "aime": {"problem": "?", "answer": 1, "id": 0}}
    rows = [row] if form is None else [good[form], row]
    with pytest.raises(ValueError, match=rf"q\.jsonl, line {len(rows)}: .*{message}"):
        read(jsonl(tmp_path, *rows), form)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"question": "a"}\n{"question": ', "line 2: not JSON"),
        (b'{"question": "a"}\n\n[1]\n', r"line 3: not an object but \[1\]"),
        (b'{"question": "\xff"}\n', "line 1: not UTF-8"),
        (b'{"question": "a", "n": ' + b"1" * 5000 + b"}\n", "line 1: not readable"),
        (b"[" * 100_000, "line 1: not (readable|JSON)"),
        (b'{"question": "\\ud83d"}\n', "line 1: .*half a character"),
        (b'{"question": "' + b"a" * (1 << 24) + b'"}\n', "line 1: longer than 16 MiB"),
        (b" \n\n", "holds no questions"),
    ],
)
def test_a_file_that_cannot_be_read_says_where(tmp_path: Path, content: bytes, message: str):
    path = tmp_path / "q.jsonl"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"question": "a"}', "no JSON list"),
        (b'[{"question": "a"}, 3]', "entry 2: not an object"),
        (b'[{"question": "a"}, {}]', "entry 2: no question"),
        (b'[\n{"question": "a"},\n]', "line 3: not JSON"),
        (b"[]", "holds no questions"),
    ],
)
def test_a_list_that_cannot_be_read_says_where(tmp_path: Path, content: bytes, message: str):
    path = tmp_path / "q.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read(path)


def test_a_list_too_large_to_be_parsed_at_once_is_refused(tmp_path: Path):
    path = tmp_path / "q.json"
    with path.open("wb") as file:
        file.truncate((1 << 28) + 1)
    with pytest.raises(ValueError, match="larger than 256 MiB"):
        read(path)


@pytest.mark.parametrize("cut", [slice(0, 5), slice(0, -9), slice(3, None)])
def test_a_damaged_compressed_file_is_told(tmp_path: Path, cut: slice):
    path = tmp_path / "q.jsonl.gz"
    path.write_bytes(gzip.compress(json.dumps(GSM).encode())[cut])
    with pytest.raises(ValueError, match="no whole gzip file"):
        read(path)


def test_a_form_that_does_not_exist_is_refused_before_the_file_is_opened(tmp_path: Path):
    with pytest.raises(ValueError, match="'mmlu' is no form of questions: one of math500, gsm8k, aime, plain"):
        read(tmp_path / "absent.jsonl", "mmlu")
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "absent.jsonl", next(iter(FORMS)))


def test_the_digest_tells_questions_apart_and_nothing_else():
    first, second = Question("1", "a", "b", 1, "x"), Question("2", "c", None, None, None)
    assert digest([first, second]) == digest([Question("1", "a", "b", None, None), second])
    others = [[second, first], [first], [Question("1", "ab", "", 1, "x"), second], [Question("1", "a", None, 1, "x")]]
    assert len({digest(d) for d in [[first, second], *others]}) == 5
    assert len(digest([])) == 16
