"""A person's wording becomes the family's, and nothing else is touched."""

import time
from random import Random

import pytest

from server.embedded.problems.family import KINDS, LEVELS, Kind, make
from server.embedded.problems.recognise import canonical_question, is_known

REWRITTEN = [
    # arithmetic
    ("whats 3+4?", "What is 3 + 4?"),
    ("what's 3+4", "What is 3 + 4?"),
    ("What’s 3 + 4", "What is 3 + 4?"),
    ("what is 3 + 4", "What is 3 + 4?"),
    ("WHAT IS 3 + 4 ?", "What is 3 + 4?"),
    ("  3+4  ", "What is 3 + 4?"),
    ("3+4=", "What is 3 + 4?"),
    ("3 + 4 = ?", "What is 3 + 4?"),
    ("what is 3+4", "What is 3 + 4?"),
    ("How much is 12 times 3?", "What is 12 * 3?"),
    ("2*(3+4)", "What is (3 + 4) * 2?"),
    ("2 × (3 + 4)", "What is (3 + 4) * 2?"),
    ("2 x (3 + 4)", "What is (3 + 4) * 2?"),
    ("what is 6x7?", "What is 6 * 7?"),
    ("12 ÷ 4 − 1", "What is 12 / 4 - 1?"),
    ("$12 \\div 4 \\times 2$", "What is 12 / 4 * 2?"),
    ("compute 7 - 2", "Compute 7 - 2."),
    ("calculate: 7 minus 2!", "Calculate 7 - 2."),
    ("please evaluate 7-2.", "Evaluate 7 - 2."),
    ("what is the value of 18 divided by 3", "What is 18 / 3?"),
    ("what is(3+4)*5", "What is (3 + 4) * 5?"),
    ("((3+4))*5", "What is (3 + 4) * 5?"),
    ("10-(3-2)", "What is 10 - (3 - 2)?"),
    ("007 + 3", "What is 7 + 3?"),
    ("What is 3+4?", "What is 3+4?"),
    # equations
    ("3x+5=20", "Solve for x: 3x + 5 = 20."),
    ("solve 3x + 5 = 20", "Solve for x: 3x + 5 = 20."),
    ("Solve 3x+5=20 for x", "Solve for x: 3x + 5 = 20."),
    ("solve for x 3x+5=20", "Solve for x: 3x + 5 = 20."),
    ("solve for x, 3*x + 5 = 20", "Solve for x: 3x + 5 = 20."),
    ("3 x + 5 = 20, find x", "Solve for x: 3x + 5 = 20."),
    ("If 3x + 5 = 20, what is x?", "Solve for x: 3x + 5 = 20."),
    ("what is x if 3X + 5 = 20", "Solve for x: 3x + 5 = 20."),
    ("find x: 20 = 5 + 3x", "Solve for x: 3x + 5 = 20."),
    ("x - 5 = -3", "Solve for x: x - 5 = -3."),
    ("x−5=−3", "Solve for x: x - 5 = -3."),
    ("2x + 20 = 5x - 7", "Solve for x: 5x - 7 = 2x + 20."),
    ("3(x+4)=2x+20", "Solve for x: 3(x + 4) = 2x + 20."),
    ("3*(x + 4) = 2x + 20", "Solve for x: 3(x + 4) = 2x + 20."),
    ("7(x+4)+30=3(x+9)+63", "Solve for x: 7(x + 4) + 30 = 3(x + 9) + 63."),
    # remainders
    ("(3+4) mod 5", "What is (3 + 4) mod 5?"),
    ("(3+4)%5", "What is (3 + 4) mod 5?"),
    ("what's (3 + 4) modulo 5?", "What is (3 + 4) mod 5?"),
    ("What is the remainder when (3 + 4) is divided by 5?", "What is (3 + 4) mod 5?"),
    ("(3×4+2) mod 5", "What is (3 * 4 + 2) mod 5?"),
    ("7^4 mod 31", "What is 7^4 mod 31?"),
    ("compute 7**4 % 31", "What is 7^4 mod 31?"),
    # countdown
    ("use 3, 5, 7 to make 22", "Use 3, 5, 7 to make 22."),
    ("Use the numbers 3, 5 and 7 to reach 22!", "Use 3, 5, 7 to make 22."),
    ("using 3 5 7 make 22", "Use 3, 5, 7 to make 22."),
    ("make 22 from 3, 5, and 7", "Use 3, 5, 7 to make 22."),
    ("Make 22 using 7,5,3", "Use 7, 5, 3 to make 22."),
    # sentences
    (
        "ann has 5 coins. ben has 2 more coins than ann. how many coins does ben have",
        "Ann has 5 coins. Ben has 2 more coins than Ann. How many coins does Ben have?",
    ),
    (
        "Ben has twice as many pens as Ann; Ann has 5 pens!  Eve has 9 more pens than Ben. How many pens does Eve have now?",
        "Ben has 2 times as many pens as Ann. Ann has 5 pens. Eve has 9 more pens than Ben. How many pens does Eve have?",
    ),
    (
        "Ann has 8 pens. Ben has half as many pens as Ann. Eve has 2 less pens than Ben. How many pens does Eve have",
        "Ann has 8 pens. Ben has half as many pens as Ann. Eve has 2 fewer pens than Ben. How many pens does Eve have?",
    ),
    (
        (
            "ida has 9 cards. ida loses 2. then ida gets 3 boxes of 4. ida doubles the number. "
            "Then Ida gives 2 to each of 3 friends. then ida keeps one part out of 2 equal parts. "
            "Ida buys 5 more. how many cards does ida have"
        ),
        (
            "Ida has 9 cards. Then Ida loses 2. Then Ida gets 3 boxes of 4. Then Ida doubles the number. "
            "Then Ida gives 2 to each of 3 friends. Then Ida keeps one part out of 2 equal parts. "
            "Then Ida buys 5 more. How many cards does Ida have now?"
        ),
    ),
]

UNKNOWN = [
    "",
    "   ",
    "hello",
    "Solve",
    "What is",
    "What is the capital of France?",
    "What is 3 apples plus love?",
    "What is 42?",
    "What is 3 4?",
    "What is 3 +?",
    "What is (3 + 4?",
    "What is 3 + 4)?",
    "What is 3.5 + 2?",
    "What is 1,000 + 2?",
    "What is 3 - 5?",
    "What is 7 / 2?",
    "What is 7 / 0?",
    "What is -3 + 5?",
    "What is 999999 + 1?",
    "What is 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1?",
    "What is 3 + 4? And why?",
    "import os; 3 + 4",
    "3x + 5",
    "3x + 5 = 21",
    "3x = 3x",
    "3x + 5 = 3x + 6",
    "2x = -4",
    "x^2 = 4",
    "3y + 5 = 20",
    "1 2x = 24",
    "3x + 5 = 20 = 20",
    "3x + 2x = 20",
    "5 - x = 2",
    "3(x - 4) = 9",
    "3x + + 5 = 20",
    "= 20",
    "3 + 4 mod 5",
    "3 * 4 mod 5",
    "(3 + 4 + 5) mod 7",
    "17 mod 0",
    "50% of 20",
    "use 3 to make 22",
    "Use 3, 5, 7 to make a cake.",
    "What is use 3, 5, 7 to make 22?",
    "Ann has 5 coins. How many coins does Ann have?",
    "Ann has 5 coins. Ben has 2 more coins than Eve. How many coins does Ben have?",
    "Ann has 5 coins. Ben has 2 more pens than Ann. How many coins does Ben have?",
    "Ann has 5 coins. Ann has 6 coins. How many coins does Ann have?",
    "Ann has 2 more coins than Ben. Ben has 2 more coins than Ann. How many coins does Ben have?",
    "Ann has 5 coins. Ben has 2 more coins than Ann. How many coins does Zoe have?",
    "Ann has 5 coins. Ben is tall. How many coins does Ann have?",
    "Ann has 5 coins. Then Ben buys 3 more. How many coins does Ann have now?",
    "Ann has 5 coins. Then Ann buys 3 more. How many pens does Ann have now?",
    "Ann has 5 coins. Then Ann eats 3. How many coins does Ann have now?",
    "Ann has 5 coins. Then it rains. How many coins does Ann have now?",
]


@pytest.mark.parametrize(("typed", "canonical"), REWRITTEN)
def test_a_person_s_wording_becomes_the_family_s(typed: str, canonical: str):
    assert is_known(typed)
    assert canonical_question(typed) == canonical


@pytest.mark.parametrize("canonical", sorted({canonical for _, canonical in REWRITTEN}))
def test_the_family_s_wording_stays_as_it_is(canonical: str):
    assert canonical_question(canonical) == canonical


@pytest.mark.parametrize("text", UNKNOWN)
def test_other_text_is_unknown_and_only_stripped(text: str):
    assert not is_known(text)
    assert canonical_question(f"  {text}\n") == text.strip()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("level", LEVELS)
def test_every_problem_of_the_family_is_known_in_its_own_words(kind: Kind, level: int):
    rng = Random(f"{kind} {level}")
    for _ in range(300):
        question = make(rng, kind, level).question
        assert canonical_question(question) == question
        assert is_known(question)


@pytest.mark.parametrize("kind", KINDS)
def test_case_spaces_and_the_end_mark_do_not_matter(kind: Kind):
    rng = Random(kind)
    for level in LEVELS:
        question = make(rng, kind, level).question
        typed = "  " + question.rstrip("?.").upper().replace(" ", "  ") + " \n"
        assert canonical_question(typed).replace(" ", "") == question.replace(" ", "")


@pytest.mark.parametrize(
    "text",
    [
        "(" * 10_000,
        "1+" * 5_000,
        "9" * 10_000,
        " " * 10_000 + "x",
        "3x+" * 3_333,
        "Ann has 5 coins. " * 600,
        "(" * 400 + "1" + ")" * 400,
        "1 " * 499,
        "x" * 999,
        "What is" + " " * 2_000 + "3 + 4?",
        "then ann " * 110,
        "use " + "3, " * 300 + "to make 5",
        "9" * 990 + " mod 5",
        "mod " * 249,
    ],
)
def test_hostile_text_is_refused_at_once(text: str):
    start = time.process_time()
    assert not is_known(text)
    assert time.process_time() - start < 0.2
