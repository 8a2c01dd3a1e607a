"""Every problem is well formed, right, and as hard as its level says."""

from collections import Counter
from hashlib import blake2b
from random import Random
from statistics import mean

import pytest

from server.embedded.problems import countdown
from server.embedded.problems.checker import is_correct
from server.embedded.problems.family import KINDS, LEVELS, WEIGHTS, Kind, Problem, make, solution

from .oracle import answer_of

CELLS = [(kind, level) for kind in KINDS for level in LEVELS]


def problems(kind: Kind, level: int, count: int = 60) -> list[Problem]:
    rng = Random(f"{kind} {level}")
    return [make(rng, kind, level) for _ in range(count)]


@pytest.mark.parametrize(("kind", "level"), [cell for cell in CELLS if cell[0] != "countdown"])
def test_an_independent_reading_of_the_question_finds_the_same_answer(kind: Kind, level: int):
    for problem in problems(kind, level):
        assert answer_of(problem.question) == int(problem.answer), problem
        assert (problem.kind, problem.level) == (kind, level)


@pytest.mark.parametrize("level", LEVELS)
def test_a_countdown_comes_with_a_solution_and_a_target_worth_reaching(level: int):
    for problem in problems("countdown", level):
        asked = countdown.asked(problem.question)
        assert asked
        numbers, target = asked
        assert is_correct(problem, problem.answer)
        assert countdown.reachable(tuple(sorted(numbers)), target)
        assert target not in numbers
        assert 5 <= target <= countdown.LEVELS[level].target


@pytest.mark.parametrize("kind", KINDS)
def test_a_higher_level_takes_longer_solutions(kind: Kind):
    lengths = [mean(len(solution(problem)) for problem in problems(kind, level)) for level in LEVELS]
    assert lengths[1:] == sorted(lengths[1:])
    assert lengths[-1] > 2 * lengths[0]


def test_a_solution_is_numbered_blocks_and_a_boxed_answer():
    problem = Problem("arithmetic", 1, "What is 3 + 4 * 2?", ("4 * 2 = 8, so it becomes 3 + 8.", "3 + 8 = 11."), "11")
    assert solution(problem) == (
        "## Step 1: 4 * 2 = 8, so it becomes 3 + 8.\n\n"
        "## Step 2: 3 + 8 = 11.\n\n"
        "Therefore, the final answer is: $\\boxed{11}$."
    )


GOLDEN = [
    ("arithmetic", 1, "Evaluate 9 * 5 - 6.", ["9 * 5 = 45, so it becomes 45 - 6.", "45 - 6 = 39."], "39"),
    (
        "quantities",
        2,
        (
            "Jack has 13 fewer pens than Hugo. Hugo has 34 more pens than Ida. Ida has 39 pens. "
            "How many pens does Jack have?"
        ),
        ["Hugo has 39 + 34 = 73 pens.", "Jack has 73 - 13 = 60 pens."],
        "60",
    ),
    (
        "word",
        2,
        "Ida has 31 cards. Then Ida doubles the number. Then Ida loses 13. How many cards does Ida have now?",
        ["31 * 2 = 62 cards.", "62 - 13 = 49 cards."],
        "49",
    ),
    (
        "equation",
        4,
        "Solve for x: 34(x + 55) + 98 = 29(x + 24) + 1852.",
        [
            "Expand to 34x + 1870 + 98 = 29x + 696 + 1852.",
            "Simplify to 34x + 1968 = 29x + 2548.",
            "Move x to get 5x + 1968 = 2548.",
            "Move the constant to get 5x = 580.",
            "x = 580 / 5 = 116.",
        ],
        "116",
    ),
    (
        "modular",
        3,
        "What is (29 * 19 + 50) mod 17?",
        ["29 * 19 = 551.", "551 + 50 = 601.", "601 mod 17 = 6."],
        "6",
    ),
    (
        "countdown",
        4,
        "Use 9, 13, 12, 2 to make 29.",
        ["13 * 2 = 26, leaving 9, 12, 26.", "12 - 9 = 3, leaving 26, 3.", "26 + 3 = 29."],
        "13 * 2 + (12 - 9)",
    ),
]


@pytest.mark.parametrize(("kind", "level", "question", "steps", "answer"), GOLDEN)
def test_the_words_are_those_the_shipped_weights_were_trained_on(
    kind: Kind, level: int, question: str, steps: list[str], answer: str
):
    assert make(Random(11), kind, level) == Problem(kind, level, question, tuple(steps), answer)


def test_random_numbers_are_drawn_in_the_order_that_seen_problems_were_drawn_in():
    rng = Random(5)
    text = "\n".join(f"{(problem := make(rng)).question} {solution(problem)}" for _ in range(500))
    assert blake2b(text.encode(), digest_size=8).hexdigest() == "54b27ef97b1aa7d1"


def test_the_same_random_numbers_give_the_same_problem():
    assert make(Random(7)) == make(Random(7))
    assert make(Random(7), "word", 3) == make(Random(7), "word", 3)


def test_kinds_come_by_weight_and_levels_evenly():
    rng = Random(3)
    drawn = [make(rng) for _ in range(4_000)]
    kinds, levels = Counter(p.kind for p in drawn), Counter(p.level for p in drawn)
    assert sum(WEIGHTS.values()) == pytest.approx(1)
    for kind in KINDS:
        assert kinds[kind] / 4_000 == pytest.approx(WEIGHTS[kind], abs=0.03)
    for level in LEVELS:
        assert levels[level] / 4_000 == pytest.approx(0.2, abs=0.03)


@pytest.mark.parametrize("level", [-1, 0, 6])
def test_a_level_outside_one_to_five_is_refused(level: int):
    with pytest.raises(ValueError, match="level must be one of 1 to 5"):
        make(Random(0), "word", level)
