"""Trees, their text, and their values."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.embedded.problems.expressions import (
    Expression,
    Operation,
    apply,
    evaluate,
    operations,
    parse,
    rational,
    reduce_first,
    show,
    tokens,
)

TREES: st.SearchStrategy[Expression] = st.recursive(
    st.integers(0, 99),
    lambda parts: st.builds(Operation, st.sampled_from("+-*/"), parts, parts),
    max_leaves=8,
)


@given(TREES)
def test_reading_what_is_shown_gives_the_same_tree(tree: Expression):
    assert parse(show(tree)) == tree
    assert parse(show(tree).replace(" ", "")) == tree


@given(TREES)
def test_a_natural_value_is_the_rational_value(tree: Expression):
    value = evaluate(tree)
    assert value is None or rational(show(tree)) == value


@given(TREES)
def test_working_out_one_operation_keeps_the_value(tree: Expression):
    if isinstance(tree, Operation) and evaluate(tree) is not None:
        rest, done, value = reduce_first(tree)
        assert evaluate(rest) == evaluate(tree)
        assert evaluate(done) == value
        assert len(operations(rest)) == len(operations(tree)) - 1


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2 + 3 * 4", 14),
        ("(2 + 3) * 4", 20),
        ("10 - 3 - 2", 5),
        ("10 - (3 - 2)", 9),
        ("24 / 4 / 2", 3),
        ("24 / (4 / 2)", 12),
        ("7 / 2", Fraction(7, 2)),
        ("3 - 5", -2),
        ("8 / (3 - 8 / 3)", 24),
        ("7 / 0", None),
        ("7 / (3 - 3)", None),
    ],
)
def test_values_follow_the_usual_order(text: str, value: Fraction | int | None):
    assert rational(text) == value


@pytest.mark.parametrize(
    ("operator", "left", "right", "value"),
    [("-", 3, 5, None), ("-", 5, 5, 0), ("/", 7, 2, None), ("/", 7, 0, None), ("/", 8, 2, 4)],
)
def test_the_natural_numbers_are_not_left(operator: str, left: int, right: int, value: int | None):
    assert apply(operator, left, right) == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "3 4",
        "(3 4)",
        "3 +",
        "+ 3",
        "(3",
        "3)",
        "()",
        "3 + x",
        "3.5",
        "1,000",
        "3 ** 2",
        "-3",
        "٣ + 4",
        "+",
        "1+" * 100 + "1",
        "(" * 60 + "1" + ")" * 60,
    ],
)
def test_other_text_is_no_expression(text: str):
    assert rational(text) is None
    with pytest.raises(ValueError, match=r"unexpected|early|closed|expression"):
        parse(text)


def test_an_operation_that_leaves_the_natural_numbers_cannot_be_worked_out():
    with pytest.raises(ValueError, match="3 - 5 is no natural number"):
        reduce_first(Operation("+", Operation("-", 3, 5), 7))


def test_tokens_are_numbers_signs_and_parentheses():
    assert tokens("(12+3) * 4") == ["(", "12", "+", "3", ")", "*", "4"]
