import pytest

from server.grading import Verdict, equivalence
from server.grading.equivalence import compare, expression, mark
from server.grading.plain import settle

EQUAL, DIFFERENT, UNDECIDED = Verdict.EQUAL, Verdict.DIFFERENT, Verdict.UNDECIDED


def graded(answer: str, truth: str) -> Verdict:
    settled = settle(answer, truth)
    return settled if isinstance(settled, Verdict) else compare(*settled)


@pytest.mark.parametrize(
    ("answer", "truth"),
    [
        (r"\frac{\sqrt3}{3}", r"1/\sqrt3"),
        ("√12", r"2\sqrt3"),
        ("2 sqrt(3)", r"2\sqrt{3}"),
        (r"e^{i\pi}", "-1"),
        ("e^{i pi}", "-1"),
        ("(1+i)^2", "2i"),
        ("1e3x", "1000x"),
        ("1.5x", r"\frac{3x}{2}"),
        ("(x+1)^2", "x^2+2x+1"),
        (r"\frac{1}{x}", "x^{-1}"),
        (r"\sin^2 x+\cos^2 x", "1"),
        (r"\sqrt{x^2}", "|x|"),
        (r"\log_2 8", "3"),
        (r"\binom{5}{2}", "10"),
        ("5!", "120"),
        ("n!", "n(n-1)!"),
        (r"2^{n+1}", r"2\cdot 2^n"),
        ("3:2", "6:4"),
        (r"\{1,2\}", r"\{2,1\}"),
        ("1,2", r"\{2, 1\}"),
        ("1,2", "2,1"),
        ("(1,2)", "1,2"),
        (r"(\sqrt4, 1)", "(2,1)"),
        (r"\pm 2", "2,-2"),
        (r"\pm 2", r"\{-2,2\}"),
        ("x=3 or x=5", "5, 3"),
        ("x=3,y=5", "y=5,x=3"),
        ("y=2x+1", "2x-y+1=0"),
        ("x<3", "3>x"),
        ("1<x<2", "(1,2)"),
        (r"x\ge 3", r"[3,\infty)"),
        (r"x \in (1,2)\cup(3,4]", r"(3,4] \cup (1,2)"),
        (r"\{\}", r"\emptyset"),
        (r"\mathbb{R}", r"(-\infty,\infty)"),
        (r"\begin{pmatrix}1&2\\3&4\end{pmatrix}", r"\begin{bmatrix}1&2\\3&4\end{bmatrix}"),
    ],
)
def test_the_same_in_another_form_is_equal(answer: str, truth: str):
    assert graded(answer, truth) is EQUAL
    assert graded(truth, answer) is EQUAL


@pytest.mark.parametrize(
    ("answer", "truth"),
    [
        (r"1.4142135623730951", r"\sqrt2"),
        ("(x+1)^2", "x^2+2x+2"),
        ("5m", "5"),
        (r"e^{-200}x", "0"),
        ("(1,2)", "(2,1)"),
        ("(2,1)", "(3,1)"),
        ("(1,2)", "(1,2,3)"),
        ("(1,1)", "(1,1,1)"),
        ("(1,2)", "[1,2]"),
        (r"(-\infty,3]", r"(-\infty,3)"),
        (r"\{1,2\}", "(1,2)"),
        (r"\{1,2\}", r"\{1,3\}"),
        ("x=3,y=5", "x=5,y=3"),
        ("x<3", "x<4"),
        ("x<3,y", "x<4,y"),
        (r"\begin{pmatrix}1&2\\3&4\end{pmatrix}", r"\begin{pmatrix}1&2\\3&5\end{pmatrix}"),
        (r"-\infty", r"\infty"),
    ],
)
def test_what_only_looks_alike_is_different(answer: str, truth: str):
    assert graded(answer, truth) is DIFFERENT
    assert graded(truth, answer) is DIFFERENT


@pytest.mark.parametrize(
    ("answer", "truth"),
    [
        (r"\frac{1}", "1"),
        (r"\sqrt{x^2}", "x"),  # equal for some x
        (r"(\frac{1}, 2)", "(1, 2)"),
        (r"\frac{1}, 2", "1, 2"),
    ],
)
def test_what_cannot_be_read_or_shown_is_undecided(answer: str, truth: str):
    assert graded(answer, truth) is UNDECIDED


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("2", r"\sqrt{4}"),
        ("0", r"\sin^2 x+\cos^2 x-1"),
        ("(x+1)^2", "x^2+2x+1"),
        ("1,2", "(2,1)"),
        (r"\pm 2", "2,-2"),
        ("{5}", "5"),
    ],
)
def test_equal_answers_share_a_mark(one: str, other: str):
    assert mark(one) is not None
    assert mark(one) == mark(other)


@pytest.mark.parametrize("text", ["x<3", "", r"\frac{1}", r"1, \frac{1}", r"\frac{0}{0}", "f(x)", r"\pm y, x<1"])
def test_what_has_no_value_has_no_mark(text: str):
    assert mark(text) is None


def test_decimals_are_exact():
    assert expression("1.25x") == expression(r"\frac{5}{4}x")


def test_what_the_library_fails_on_is_undecided(monkeypatch: pytest.MonkeyPatch):
    def fail(*_values: object, **_options: object) -> bool:
        raise NotImplementedError

    monkeypatch.setattr(equivalence._math_verify, "verify", fail)
    assert compare("x<3", "3>x") is UNDECIDED


def test_what_the_library_cannot_show_is_shown_by_fifty_digits(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(equivalence._math_verify, "verify", lambda *_values, **_options: False)
    assert compare("(x+1)^2", "x^2+2x+1") is EQUAL


def test_what_cannot_be_evaluated_has_no_mark(monkeypatch: pytest.MonkeyPatch):
    def fail(*_values: object) -> str:
        raise ZeroDivisionError

    monkeypatch.setattr(equivalence, "_place", fail)
    assert equivalence._evaluated(expression("x+17"), (0.0, 1.0), 10) is None
