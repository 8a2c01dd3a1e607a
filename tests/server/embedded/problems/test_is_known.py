"""Known is what the generators make: the same shapes, and no larger numbers; the rest is only rewritten."""

import time

import pytest

from server.embedded.problems.countdown import reachable
from server.embedded.problems.recognise import canonical_question, is_known


def chain(facts: str, person: str) -> str:
    return f"{facts} How many coins does {person} have?"


def story(events: str) -> str:
    return f"Ann has 12 coins. {events} How many coins does Ann have now?"


OUTSIDE = [
    # remainders
    ("what is 109 mod 20", "What is 109 mod 20?"),
    ("17%5", "What is 17 mod 5?"),
    ("8 mod 1", "What is 8 mod 1?"),
    ("16^2 mod 1000", "What is 16^2 mod 1000?"),
    ("3**20 mod 5", "What is 3^20 mod 5?"),
    ("5^3 mod 200", "What is 5^3 mod 200?"),
    # arithmetic
    ("851 * 231", "What is 851 * 231?"),
    ("300 × 300", "What is 300 * 300?"),
    ("500*500", "What is 500 * 500?"),
    ("99999 + 1", "What is 99999 + 1?"),
    ("12345+67890", "What is 12345 + 67890?"),
    ("7966 + 1440", "What is 7966 + 1440?"),
    ("5000 minus 1234", "What is 5000 - 1234?"),
    ("1+1+1+1", "What is 1 + 1 + 1 + 1?"),
    ("1+1+1+1+1+1+1+1", "What is 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1?"),
    ("9-1-1-1-1", "What is 9 - 1 - 1 - 1 - 1?"),
    ("11 * 6 / 3", "What is 11 * 6 / 3?"),
    ("3*4/2", "What is 3 * 4 / 2?"),
    ("5 + 0", "What is 5 + 0?"),
    ("7 * 1", "What is 7 * 1?"),
    ("7 / 1", "What is 7 / 1?"),
    ("13 / 1 * 4", "What is 13 / 1 * 4?"),
    # equations
    ("5(x + 7) = 55", "Solve for x: 5(x + 7) = 55."),
    ("2(x + 4) = (x + 9)", "Solve for x: 2(x + 4) = 1(x + 9)."),
    ("5(x + 0) = 2x + 6", "Solve for x: 5(x + 0) = 2x + 6."),
    ("x=5", "Solve for x: x = 5."),
    ("Solve for x: 1000x = 5000.", "Solve for x: 1000x = 5000."),
    ("569x = 2276", "Solve for x: 569x = 2276."),
    ("3x + 100000 = 100300", "Solve for x: 3x + 100000 = 100300."),
    # countdown: no solution, none by small numbers, or a number that is its own target
    ("use 1, 1, 1 to make 100", "Use 1, 1, 1 to make 100."),
    ("make 7 from 2 and 4", "Use 2, 4 to make 7."),
    ("use 7, 7 to make 50", "Use 7, 7 to make 50."),
    ("use 25, 25, 25, 25, 25 to make 99", "Use 25, 25, 25, 25, 25 to make 99."),
    ("use 3, 5, 5 to make 5", "Use 3, 5, 5 to make 5."),
    ("use 3, 0 to make 3", "Use 3, 0 to make 3."),
    *[
        (text, text)
        for text in (
            # stories
            story("Then Ann loses 17."),
            story("Then Ann loses 12."),
            story("Then Ann keeps one part out of 5 equal parts."),
            story("Then Ann buys 1 more."),
            story("Then Ann buys 3000 more."),
            story("Then Ann gets 30 boxes of 2."),
            story("Then Ann gives 2 to each of 7 friends."),
            "Ann has 5000 cards. Then Ann buys 3000 more. How many cards does Ann have now?",
            "Ann has 2 cards. Then Ann buys 3 more. How many cards does Ann have now?",
            # chains
            chain("Ann has 5 coins. Ben has half as many coins as Ann.", "Ben"),
            chain("Ann has 5 coins. Ben has 5 fewer coins than Ann.", "Ben"),
            chain("Ann has 5 coins. Ben has 1 more coins than Ann.", "Ben"),
            chain("Ann has 1 coins. Ben has 5 more coins than Ann.", "Ben"),
            chain("Ann has 5 coins. Ben has 2 more coins than Ann. Eve has 9 more coins than Ben.", "Ben"),
            chain("Ann has 5 coins. Ben has 2 more coins than Ann.", "Ann"),
            chain("Ben has 2 more coins than Ann. Ann has 5 coins.", "Ben"),
            chain("Ann has 50000 coins. Ben has 2 more coins than Ann.", "Ben"),
        )
    ],
]

# The largest that is known, and the next that is not.
EDGES = [
    ("300 + 300", "300 + 301"),
    ("99 * 30", "100 * 30"),
    ("30 * 30", "30 * 31"),
    ("150 / 3", "153 / 3"),
    ("24 / 12", "26 / 13"),
    ("999 + 999 + 999 + 999 + 999", "999 + 999 + 999 + 999 + 1000"),
    ("300 * 99 + 150 * 60 + 1 + 1", "301 * 99 + 150 * 60 + 1 + 1"),
    ("20 + 20 + 20 + 20 + 20 + 21", "20 + 20 + 20 + 20 + 20 + 20"),
    ("144 / 12 * 50 + 300", "156 / 12 * 50 + 300"),
    ("(50 + 50) mod 9", "(50 + 51) mod 9"),
    ("(50 + 50) mod 2", "(50 + 50) mod 10"),
    ("(20 * 9) mod 15", "(20 * 10) mod 15"),
    ("(30 * 20 + 50) mod 25", "(30 * 20 + 51) mod 25"),
    ("39^5 mod 40", "40^5 mod 40"),
    ("2^3 mod 11", "2^3 mod 10"),
    ("98^8 mod 99", "98^9 mod 99"),
    ("50^5 mod 60", "50^4 mod 60"),
    ("x + 30 = 50", "x + 30 = 51"),
    ("x - 30 = -29", "x - 31 = -30"),
    ("9x = 180", "10x = 180"),
    ("9x - 30 = 150", "9x - 31 = 149"),
    ("18x - 60 = 9x + 120", "18x - 61 = 9x + 119"),
    ("18x - 60 = 9x + 120", "19x - 60 = 9x + 140"),
    ("12(x + 20) = 11x + 300", "12(x + 20) = 11x + 301"),
    ("12(x + 20) = 11x + 300", "12(x + 21) = 11x + 300"),
    ("99(x + 99) + 900 = 98(x + 108) + 1017", "99(x + 99) + 900 = 98(x + 109) + 919"),
    ("99(x + 99) + 900 = 98(x + 108) + 1017", "99(x + 99) + 901 = 98(x + 108) + 1018"),
    ("use 12, 5 to make 60", "use 13, 4 to make 52"),
    ("use 5, 9, 1 to make 50", "use 20, 20, 21 to make 61"),
    ("use 25, 25, 2, 1, 1 to make 100", "use 26, 25, 2, 1, 1 to make 100"),
    (story("Then Ann gives 5 to each of 2 friends."), story("Then Ann gives 6 to each of 2 friends.")),
    (story("Then Ann buys 20 more."), story("Then Ann buys 21 more.")),
    (story("Then Ann gets 5 boxes of 6."), story("Then Ann gets 5 boxes of 7.")),
    (story("Then Ann keeps one part out of 6 equal parts."), story("Then Ann keeps one part out of 12 equal parts.")),
    (
        chain("Ann has 20 coins. Ben has 4 times as many coins as Ann.", "Ben"),
        chain("Ann has 20 coins. Ben has 5 times as many coins as Ann.", "Ben"),
    ),
    (
        chain("Ann has 20 coins. Ben has 19 fewer coins than Ann.", "Ben"),
        chain("Ann has 20 coins. Ben has 20 fewer coins than Ann.", "Ben"),
    ),
]


@pytest.mark.parametrize(("typed", "canonical"), OUTSIDE)
def test_what_the_generators_do_not_make_is_rewritten_but_not_known(typed: str, canonical: str):
    assert canonical_question(typed) == canonical
    assert not is_known(typed)
    assert not is_known(canonical)


@pytest.mark.parametrize(("inside", "outside"), EDGES)
def test_a_number_is_known_up_to_the_generators_own_limit(inside: str, outside: str):
    assert is_known(inside)
    assert not is_known(outside)


@pytest.mark.parametrize("text", ["whats 47+85", "12 * 3", "3 * 12", "18 / 3", "250 - 120", "20 + 22", "12 + 30 * 2"])
def test_what_the_longer_problems_come_to_on_their_way_is_known(text: str):
    assert is_known(text)


@pytest.mark.parametrize("numbers", ["1, 1, 2, 2, 3", "7, 11, 13, 17, 19", "25, 25, 25, 25, 25", "21, 22, 23, 24, 25"])
def test_the_search_for_a_solution_is_short(numbers: str):
    reachable.cache_clear()
    start = time.process_time()
    for target in range(90, 101):
        is_known(f"use {numbers} to make {target}")
    assert time.process_time() - start < 1.0
