import pytest

from server.grading import Verdict
from server.grading.limits import LONGEST
from server.grading.plain import algebraic, settle

EQUAL, DIFFERENT, UNDECIDED = Verdict.EQUAL, Verdict.DIFFERENT, Verdict.UNDECIDED


@pytest.mark.parametrize(
    ("answer", "truth", "verdict"),
    [
        ("42", "42", EQUAL),
        ("42.", "42", EQUAL),
        ("42\\ ", "42", EQUAL),
        ("1e3", "1000", EQUAL),
        ("1,000", "1000", EQUAL),
        (r"\frac12", "0.5", EQUAL),
        (r"0.\overline{3}", "1/3", EQUAL),
        ("0.3333", "1/3", DIFFERENT),
        ("0.333333333333", "1/3", DIFFERENT),
        ("7", "8", DIFFERENT),
        ("50%", "50", EQUAL),
        ("50\\%", "0.5", EQUAL),
        ("0.5", "50\\%", EQUAL),
        ("50%", "5", DIFFERENT),
        ("0.5", "50", DIFFERENT),
        ("5 cm", "5", EQUAL),
        (r"5\text{ cm}", r"5 \mathrm{cm}", EQUAL),
        ("The answer is 42.", "42", EQUAL),
        ("x=5", "5", EQUAL),
        ("seven", "7", EQUAL),
        ("(A)", "A", EQUAL),
        ("a", "A", EQUAL),
        ("A", "B", DIFFERENT),
        ("A", "5", DIFFERENT),
        ("Evelyn", "Bob and Evelyn", UNDECIDED),
        ("even", "prime", DIFFERENT),
        ("cannot be determined", "12", DIFFERENT),
        ("12", "cannot be determined", DIFFERENT),
        ("12 or more of them", "12", UNDECIDED),
        ("no solution", "none at all", UNDECIDED),
        ("12_8", "12", UNDECIDED),
        ("12_8", "12_{8}", EQUAL),
        ("12_8", "13_8", DIFFERENT),
        ("1100_2", "C_{16}", UNDECIDED),
        ("", "5", DIFFERENT),
        ("5", " ", DIFFERENT),
        ("", "", UNDECIDED),
        ("x" * (LONGEST + 1), "x" * (LONGEST + 1), EQUAL),
        ("x" * (LONGEST + 1), "x", UNDECIDED),
        ("9^{9^{9^9}}", "7", UNDECIDED),
        ("7", "9^{9^{9^9}}", UNDECIDED),
    ],
)
def test_what_needs_no_algebra_is_settled_at_once(answer: str, truth: str, verdict: Verdict):
    assert settle(answer, truth) is verdict


@pytest.mark.parametrize(
    ("answer", "truth", "pair"),
    [
        ("(x+1)^2", "x^2+2x+1", ("(x+1)^2", "x^2+2x+1")),
        ("y=2x+1", "2x-y+1=0", ("y=2x+1", "2x-y+1=0")),
        ("y=2x+1", "2x+2", ("2x+1", "2x+2")),
    ],
)
def test_the_rest_is_spelled_for_algebra(answer: str, truth: str, pair: tuple[str, str]):
    assert settle(answer, truth) == pair


@pytest.mark.parametrize("text", ["", "5", "even", "12_8", "9^{9^{9}}"])
def test_numbers_and_words_are_not_algebraic(text: str):
    assert not algebraic(text)


def test_a_formula_is_algebraic():
    assert algebraic("x+1")
