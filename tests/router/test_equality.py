import time
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.equality import key, number

SAME = [
    [
        "1/2",
        "0.5",
        ".5",
        "0.50",
        r"\frac{1}{2}",
        r"\dfrac{1}{2}",
        r"\tfrac12",
        r"\frac 1 2",
        "2/4",
        "5e-1",
        "1 / 2",
        "2^{-1}",
    ],
    ["3/2", "1.5", "1 1/2", r"1\frac{1}{2}", r"1\frac12", r"1 \frac{1}{2}", r"\frac{3}{2}", "1+1/2", "1 + 0.5"],
    ["-3/2", "-1.5", "-1 1/2", r"-1\frac{1}{2}", r"-\frac{3}{2}", r"\frac{-3}{2}", "\u22121.5"],
    [
        "1000",
        "1,000",
        "10^3",
        "1e3",
        "1.0e+3",
        r"10^{3}",
        "10**3",
        r"1 \times 10^3",
        r"1\cdot 10^{3}",
        "1000.00",
        "1000.",
    ],
    ["1234567", "1,234,567", "1234567.0"],
    [
        "12",
        "3*4",
        "3\u00d74",
        "2(6)",
        "2(2+4) - 0*5",
        "24/2",
        "24\u00f72",
        r"24 \div 2",
        "+12",
        "--12",
        "(12)",
        "((12))",
    ],
    ["3", r"\sqrt{9}", r"\sqrt{\frac{81}{9}}", "sqrt(9)", r"\left(3\right)", "3.000"],
    ["512", "2^3^2", "2^{3^2}", "2^9"],
    ["-4", "-2^2", "0-4"],
    ["4", "(-2)^2", "2^2", "2sqrt(4)"],
    ["0", "-0", "0.0", "0/7", "1-1"],
    ["(1,2)", "(1, 2)", "( 1 , 2.0 )", r"(1, \frac{4}{2})"],
    ["(100,200)", "(100, 200)"],
    ["[1/2,3)", "[0.5, 3)"],
    ["((1,2),(3,4))", "((1, 2), (3, 4))"],
    ["Paris", "paris", " PARIS "],
    [r"\frac{\pi}{2}", r"\dfrac{\pi}{2}", r"\frac{\pi} {2}"],
    [r"3\sqrt{2}", r"3 \sqrt{2}", r"3\sqrt2"],
    ["2x+3", "2x + 3"],
    ["(1,2]", "(1, 2]"],
    ["B", "b"],
]

HOSTILE = [
    "9^9^9^9",
    "9^9^9",
    "10^100000",
    "10**-100000",
    "1e999999",
    "1e999" * 30,
    "(" * 500,
    "(" * 500 + "1" + ")" * 500,
    "(" * 90 + "1" + ")" * 90,
    "(1," * 60 + "1" + ")" * 10,
    "(" * 90 + "1,2" + ")" * 90,
    "-" * 190 + "1",
    "sqrt(" * 35 + "4" + ")" * 35,
    r"\sqrt{" * 30 + "4" + "}" * 30,
    "2^" * 90 + "2",
    "9" * 200,
    "*".join(["9" * 15] * 12),
    "^64".join(["9999"] * 10),
    "((((9^64)^64)^64)^64)",
    "x" * 50_000,
    "1" * 50_000,
    "1," * 25_000,
    "(" * 25_000 + ")" * 25_000,
    " " * 50_000,
    "1" + " " * 50_000 + "2",
    "1/0",
    r"\frac{1}{0}",
    "0^-1",
    "1/(1-1)",
    "sqrt(-1)",
    "sqrt(2)",
    "2^(1/2)",
    "2^",
    "*2",
    "()",
    "(,)",
    "",
    ",",
    ".",
    "1.2.3",
    "1e",
    "1 2",
    "frac",
    "\\frac{1}",
    "\\frac",
    "\\sqrt",
    ")(",
    "\x00",
    "\ud800",
    "NaN",
    "inf",
    "٣/٤",
]


@pytest.mark.parametrize("answers", SAME, ids=lambda a: a[0])
def test_equal_answers_have_one_key(answers: list[str]):
    assert {key(a) for a in answers} == {key(answers[0])}


def test_different_answers_have_different_keys():
    keys = [key(answers[0]) for answers in SAME]
    assert len(set(keys)) == len(SAME)


def test_brackets_tell_intervals_apart():
    assert len({key(a) for a in ("(1,2)", "[1,2]", "(1,2]", "[1,2)", "{1,2}")}) == 5


def test_order_tells_lists_apart():
    assert key("(1,2)") != key("(2,1)")


@pytest.mark.parametrize("answer", HOSTILE, ids=lambda a: a[:20].encode(errors="replace").decode())
def test_a_hostile_answer_is_answered_at_once(answer: str):
    start = time.process_time()
    assert hash(key(answer)) == hash(key(answer))
    assert time.process_time() - start < 1  # any of these would take minutes, or memory, if it were computed


@pytest.mark.parametrize(
    "text", ["9^9^9^9", "10^100000", "1/0", "0^-1", "sqrt(-1)", "sqrt(2)", "2^(1/2)", "x", "1 2", ""]
)
def test_what_cannot_be_computed_exactly_has_no_value(text: str):
    assert number(text) is None


@pytest.mark.parametrize("text", ["(1", "1)", "frac(1)", "2^", "*2", "sqrt4", "1..2", "3x", "(" * 31 + "1" + ")" * 31])
def test_what_is_no_expression_has_no_value(text: str):
    assert number(text) is None


def test_numbers_stay_small_however_they_are_put_together():
    assert number("9999^64 * 9999^64 * 9999^64 * 9999^64 * 9999^64") is None
    assert number("9999^64 + 1 - 1") == 9999**64
    assert number("1e999 * 1e999") is None
    assert number("1e999/3 + 1e-999/7") is None


def test_a_list_is_as_long_as_its_outermost_commas_say():
    assert key("((1,2),[3,4])") == ("(", ("(", 1, 2, ")"), ("[", 3, 4, "]"), ")")


def test_what_looks_like_a_list_and_is_none_is_compared_by_its_text():
    assert key("(a),(b)") == "(a),(b)"
    assert key("(" + "a," * 200 + ")") == "(" + "a," * 200 + ")"


@given(st.fractions(max_denominator=10**12))
def test_a_fraction_is_its_own_key(value: Fraction):
    assert key(str(value)) == value


@given(st.fractions(max_denominator=10**6))
def test_a_fraction_in_latex_is_the_same_fraction(value: Fraction):
    assert key(rf"\frac{{{value.numerator}}}{{{value.denominator}}}") == value


@given(st.integers(-(10**15), 10**15))
def test_thousands_separators_change_nothing(value: int):
    assert key(f"{value:,}") == value


@given(st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-(10**9), max_value=10**9))
def test_a_decimal_is_exact(value: object):
    assert key(f"{value:f}") == Fraction(str(value))


@given(st.integers(-99, 99), st.integers(-99, 99), st.integers(1, 99))
def test_arithmetic_is_exact(a: int, b: int, c: int):
    assert key(f"({a}) * ({b}) / ({c}) + ({a})") == Fraction(a * b, c) + a


@given(st.text())
def test_every_text_has_a_key(text: str):
    assert hash(key(text)) == hash(key(text))


@given(st.text(alphabet="0123456789.,+-*/^(){}[] e\\frac sqrt", max_size=60))
def test_every_soup_of_signs_has_a_key_that_spaces_around_it_do_not_change(text: str):
    assert key(text) == key(f"  {text} ")
