import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.extraction import extract, split_steps, stated, tidy
from router.types import Candidate, Finish

from .extraction_cases import BOXES, CONCLUDED, HASHES, NOTHING, SAID, STEPS

_N = 100_000
_SOUP = ["\\boxed{", "}", "$", "**", "####", "=", "answer", "is", "The", "1", "2.5", ",", "\n", "x", "(", ")", "/"]
_SOUP += ["\\frac", "\\text{", "cm", "%", "-", "<think>", "</think>", "", "\\boxed 1", "Therefore"]
HOSTILE = {
    "spaces": " " * 10 * _N,
    "blank lines": "\n" * 10 * _N,
    "words": "so she has 12 left " * _N,
    "open boxes": "\\boxed{" * _N,
    "closed boxes": "\\boxed{1}" * _N,
    "boxes of space": "\\boxed" + " " * 10 * _N,
    "hashes": "#" * 10 * _N,
    "hashes with spaces": "#### " * _N,
    "hashes on blank lines": "\n \n####" * _N,
    "answer and spaces": "the answer is" + " " * 10 * _N,
    "answer and spaces and a letter": "the answer" + " " * 10 * _N + "x",
    "answer and stars": "answer" + "*" * 10 * _N,
    "answer is is is": "answer " + "is " * _N,
    "answers": "answer is " * _N,
    "answers on lines": "answer is\n" * _N,
    "answer to answer to": "answer to " * _N,
    "final": "final " * _N,
    "stars": "*" * 10 * _N,
    "dollars": "$" * 10 * _N,
    "equals": "=" * 10 * _N,
    "digits": "1" * 10 * _N,
    "commas": "1," * _N,
    "thousands": "1,000" * _N,
    "braces": "{" * 10 * _N,
    "step step": "step " * _N,
    "steps": "step 1" * _N,
    "step digits": "step " + "1" * 10 * _N + "x",
    "think": "<think>" * _N,
    "unthink": "</think>" * _N,
    "questions": "answer to " + '"' * 10 * _N,
    "quotes": 'answer to "a" "' * _N,
    "joined boxes": "\\boxed{1} and " * _N,
    "fences": "```" * _N,
    "fences of code": "```python\n" * _N,
    "calculations": "1+" * 5 * _N,
    "units of calculations": "So " + "1 ab " * _N,
    "calculations in brackets": "(" * 10 * _N + "1+1 = 2",
    "sentences": "Yes. " * _N,
    "remarks": "1 + 1 = 2.\n\n" + "Yes.\n" * _N,
    "is": "1 is " * _N,
    "equations of one answer": "The answer is " + "1 + 1 = " * _N,
    "a box of letters": "\\boxed{" + "a" * 390 + "}",
    "a box of braces": "\\boxed{" + "{}" * 190 + "}",
    "a box of wrappers": "\\boxed{" + "$" * 390 + "}",
    "a box of units": "\\boxed{1 " + "ab " * 120 + "3}",
    "a box of names": "\\boxed{" + "a " * 190 + "}",
}


@pytest.mark.parametrize(("text", "answer"), BOXES)
def test_a_boxed_answer_is_read(text: str, answer: str):
    assert extract(text) == answer


@pytest.mark.parametrize(("text", "answer"), HASHES)
def test_an_answer_after_four_hashes_is_read(text: str, answer: str):
    assert extract(text) == answer


@pytest.mark.parametrize(("text", "answer"), SAID)
def test_an_answer_said_in_words_is_read(text: str, answer: str):
    assert extract(text) == answer


@pytest.mark.parametrize(("text", "answer"), CONCLUDED)
def test_a_conclusion_is_read(text: str, answer: str):
    assert extract(text) == answer


@pytest.mark.parametrize("text", NOTHING)
def test_text_that_concludes_nothing_has_no_answer(text: str):
    assert extract(text) is None


@pytest.mark.parametrize(("text", "steps"), STEPS)
def test_steps_are_separated_by_blank_lines_or_headings(text: str, steps: tuple[str, ...]):
    assert split_steps(text) == steps


def test_there_are_at_least_a_hundred_cases():
    assert len(BOXES) + len(HASHES) + len(SAID) + len(CONCLUDED) + len(NOTHING) >= 100


@pytest.mark.parametrize("text", ["So 3 + 4 = 7", "The answer is 7", "#### 7", "So she has 1", "\\boxed{7"])
def test_the_last_words_of_a_cut_solution_are_no_answer(text: str):
    assert extract(text, cut=True) is None
    assert stated(Candidate(text=text, finish=Finish.LENGTH)) is None
    assert stated(Candidate(text=text, finish=Finish.STEP)) is None


def test_a_closed_box_counts_even_where_the_text_was_cut():
    assert extract("\\boxed{7}. And now", cut=True) == "7"
    assert stated(Candidate(text="\\boxed{7}. And now", finish=Finish.LENGTH)) == "7"


def test_a_whole_solution_states_its_last_words():
    assert stated(Candidate(text="So 3 + 4 = 7", finish=Finish.EOS)) == "7"


def test_a_box_that_runs_on_and_on_is_not_closed():
    assert extract("\\boxed{" + "x" * 1000 + "}") is None


def test_a_box_with_only_noise_has_no_answer():
    assert extract("\\boxed{**}") is None


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("read", [extract, split_steps])
def test_a_megabyte_made_to_be_slow_is_read_in_linear_time(name: str, read: object):
    text = HOSTILE[name]
    start = time.process_time()
    assert callable(read)
    read(text)
    assert time.process_time() - start < 2  # a quadratic search takes hours


@given(st.text())
def test_no_text_is_an_error(text: str):
    extract(text)
    split_steps(text)


@given(st.lists(st.sampled_from(_SOUP)))
def test_no_soup_of_markup_is_an_error(words: list[str]):
    text = " ".join(words)
    found = extract(text)
    assert found is None or found == found.strip() != ""


@given(st.integers(-(10**9), 10**9))
def test_a_number_survives_every_form(number: int):
    for form in ("\\boxed{%s}", "#### %s", "The answer is %s.", "So %s", "**%s**", "x = %s", "Answer: $%s$"):
        assert extract(form % number) == str(number)


@given(
    st.lists(
        st.text(alphabet="abc .\n", min_size=1).map(str.strip).filter(lambda s: s and "\n\n" not in s and "\n" not in s)
    )
)
def test_splitting_undoes_joining_by_blank_lines(steps: list[str]):
    assert split_steps("\n\n".join(steps)) == tuple(steps)


@given(st.sampled_from([answer for _, answer in [*BOXES, *HASHES, *SAID]]))
def test_tidying_twice_changes_nothing(answer: str):
    assert tidy(tidy(answer)) == tidy(answer)


@pytest.mark.parametrize("answer", ["5!", "n!", "(n-1)!", r"\sum_{k=1}^{9} k", r"\frac{6!}{2}", "2x + 3y = 5"])
def test_tidying_leaves_mathematics_alone(answer: str):
    assert tidy(answer) == answer
