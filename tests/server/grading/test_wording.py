import pytest

from server.grading.wording import Shape, canonical, is_prose, split


@pytest.mark.parametrize(
    ("text", "spelled"),
    [
        ("42.", "42"),
        ("42\\ ", "42"),
        ("5 cm", "5"),
        (r"\$1,000", "1,000"),
        ("50\\%", "50"),
        ("x = 5", "5"),
        ("The answer is 42.", "42"),
        (r"\boxed{7}", "7"),
        ("(A)", "A"),
        ("seven", "7"),
        ("5!", "5!"),
        ("Done!", "Done"),
        ("√12", r"\sqrt{12}"),
        ("2 sqrt(3 + (x))", r"2 \sqrt{3 + (x)}"),
        (r"\sqrt(3", r"\sqrt{}"),
        ("2pi", r"2\pi"),
        ("infinity", r"\infty"),
        ("sin x", r"\sin  x"),
        ("1e3x", r"1\cdot 10^{3}x"),
        ("1 000", "1000"),
        (r"\{1,2\}", "{1,2}"),
        (r"\lbrace 1,2\rbrace", "{ 1,2}"),
        (r"\{\}", r"\emptyset"),
        (r"x \in (1,2)", "(1,2)"),
        ("(x,y)=(1,2)", "(1,2)"),
        ("x=3 or x=5", "3,5"),
        (r"2\text{ and }3", "2,3"),
        ("x=3, y=5", "x=3,y=5"),
        (r"0.\overline{3}", r"\frac{1}{3}"),
        (r"-1.2\overline{45}", r"-\frac{137}{110}"),
        ("12_{8}", "12_8"),
        ("y=2x+1", "2x+1"),
    ],
)
def test_an_answer_has_one_spelling(text: str, spelled: str):
    assert canonical(text) == spelled


def test_an_equation_keeps_its_left_side():
    assert canonical("$y$ = 2x + 1", equation=True) == "y=2x + 1"


def test_the_sign_under_a_sum_makes_no_equation():
    assert canonical(r"\sum_{k=1}^{9} k", equation=True) == r"\sum_{k=1}^{9} k"


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("1,234", Shape("atom", ("1,234",))),
        ("1, 2", Shape("list", ("1", "2"))),
        ("(1,2)", Shape("()", ("1", "2"))),
        ("[1,(2,3))", Shape("[)", ("1", "(2,3)"))),
        ("{x}", Shape("{}", ("x",))),
        ("(x+1)", Shape("atom", ("(x+1)",))),
        ("(1,2),(3,4)", Shape("list", ("(1,2)", "(3,4)"))),
        (r"(1,2)\cup[3,4]", Shape("union", ("(1,2)", "[3,4]"))),
        ("f(x,y)", Shape("atom", ("f(x,y)",))),
        ("", Shape("atom", ("",))),
    ],
)
def test_brackets_and_commas_give_an_answer_its_shape(text: str, shape: Shape):
    assert split(text) == shape


@pytest.mark.parametrize("text", ["even", "no solution", "between 3 and 5"])
def test_words_are_prose(text: str):
    assert is_prose(text)


@pytest.mark.parametrize("text", [r"\frac{1}{2}", "sqrt 2", "abc", r"\begin{pmatrix}1\end{pmatrix}", r"\arcsin x"])
def test_names_of_functions_are_not(text: str):
    assert not is_prose(text)
