"""Right answers and steps are told from wrong ones, exactly."""

import re
from random import Random

import pytest

from server.embedded.problems.checker import check_steps, is_correct
from server.embedded.problems.family import KINDS, LEVELS, Kind, Problem, make, solution
from server.embedded.problems.problem import FINAL, step_block

from .oracle import answer_of

SUM = Problem("arithmetic", 1, "Compute 3 + 4 * 2.", ("4 * 2 = 8, so it becomes 3 + 8.", "3 + 8 = 11."), "11")
NESTED = Problem("arithmetic", 2, "What is (1+2)*(3+4)?", (), "21")
EQUATION = Problem(
    "equation",
    2,
    "Solve for x: 5x - 7 = 2x + 20.",
    ("Move x to get 3x - 7 = 20.", "Move the constant to get 3x = 27.", "x = 27 / 3 = 9."),
    "9",
)
NEGATIVE = Problem("equation", 1, "Solve for x: x - 25 = -5.", ("x = -5 + 25 = 20.",), "20")
REMAINDER = Problem("modular", 1, "What is (3 + 4) mod 5?", ("3 + 4 = 7.", "7 mod 5 = 2."), "2")
COUNTDOWN = Problem(
    "countdown", 3, "Use 3, 5, 7 to make 22.", ("5 * 3 = 15, leaving 7, 15.", "15 + 7 = 22."), "5 * 3 + 7"
)
TWINS = Problem("countdown", 2, "Use 3, 3, 8, 8 to make 24.", (), "8 / (3 - 8 / 3)")


def written(*steps: str, answer: str | None = None) -> str:
    blocks = [step_block(number, step) for number, step in enumerate(steps, start=1)]
    return "\n\n".join(blocks + ([FINAL % answer] if answer is not None else []))


@pytest.mark.parametrize("answer", ["11", " 11 ", "11.0", "+11", "0011", "22/2", "11.000", "1 1"])
def test_a_number_is_right_however_it_is_written(answer: str):
    assert is_correct(SUM, answer)


@pytest.mark.parametrize(
    "answer",
    ["", " ", "12", "-11", "11.5", "110", "3 + 8", "eleven", "11/0", "1e1", "nan", "inf", "11,", "x = 11", "9" * 5_000],
)
def test_any_other_answer_is_wrong(answer: str):
    assert not is_correct(SUM, answer)


@pytest.mark.parametrize(
    "answer",
    ["5 * 3 + 7", "7+3*5", "(3*5)+7", "3 × 5 + 7", "3 \\times 5 + 7", "((7)) + (5*3)", "3\\cdot5+7"],
)
def test_any_expression_of_the_numbers_that_makes_the_target_is_right(answer: str):
    assert is_correct(COUNTDOWN, answer)


@pytest.mark.parametrize(
    "answer",
    [
        "22",
        "3 * 5",
        "3 * 5 + 7 + 7 - 7",
        "3 + 5 + 7",
        "15 + 7",
        "3 * 5 + 7 * 1",
        "37 - 15",
        "3 * 5 + 7 = 22",
        "3 * 5 7",
        "(3 * 5 + 7",
        "5 * 3 + 7; import os",
        "3 / (5 - 5) + 7",
        "",
        "(" * 3_000,
        "(" * 150,
        "3+" * 99,
    ],
)
def test_any_other_expression_is_wrong(answer: str):
    assert not is_correct(COUNTDOWN, answer)


def test_a_countdown_may_pass_through_fractions():
    assert is_correct(TWINS, TWINS.answer)
    assert not is_correct(TWINS, "(8 - 3 / 3) * 8")


def test_a_countdown_problem_with_another_question_is_a_fault_of_the_caller():
    with pytest.raises(ValueError, match="not a countdown question"):
        is_correct(Problem("countdown", 1, "Make 5 of 2 and 3.", (), "2 + 3"), "2 + 3")


RIGHT = [
    (SUM, written(*SUM.steps, answer="11")),
    (SUM, written(*SUM.steps, answer=" 11.0 ")),
    (SUM, written(SUM.steps[0])),
    (SUM, written(*SUM.steps) + "\n\n"),
    (SUM, written(answer="11")),
    (NESTED, written("3 + 4 = 7, so it becomes (1 + 2) * 7.", "1 + 2 = 3, so it becomes 3 * 7.", "3 * 7 = 21.")),
    (EQUATION, written(*EQUATION.steps, answer="9")),
    (EQUATION, written("Move the constant to get 5x = 2x + 27.", "Move x to get 3x = 27.", "x = 27 / 3 = 9.")),
    (EQUATION, written("Simplify to 2(x + 4) - 1 = 25.", "Expand to 2x + 8 - 1 = 25.", answer="9")),
    (EQUATION, written("x = 27 / 3 = 9.", answer="9")),
    (NEGATIVE, written("x = -5 + 25 = 20.", answer="20")),
    (REMAINDER, written(*REMAINDER.steps, answer="2")),
    (COUNTDOWN, written(*COUNTDOWN.steps, answer="3 * 5 + 7")),
    (COUNTDOWN, written("3 * 5 = 15, leaving 15, 7.", "7 + 15 = 22.", answer="7 + 3 * 5")),
    (COUNTDOWN, written(answer="7 + 3 * 5")),
    (SUM, ""),
    (SUM, "\n\n"),
]


@pytest.mark.parametrize(("problem", "text"), RIGHT)
def test_right_steps_in_any_sound_order_are_right(problem: Problem, text: str):
    assert check_steps(problem, text) == [True] * len(re.findall("Step|Therefore", text))


WRONG_AT = [
    (SUM, written("4 * 2 = 9, so it becomes 3 + 9."), 0),
    (SUM, written("4 * 2 = 8, so it becomes 3 + 7."), 0),
    (SUM, written("4 * 2 = 8, so it becomes 3 + 4 * 2."), 0),
    (SUM, written("4 * 2 = 8, so it becomes 3 + 8"), 0),
    (SUM, written("4 * 2 = 8, so it becomes 3 + + 8."), 0),
    (SUM, written("4 * 2 = 8."), 0),
    (SUM, written("We see that it is 11."), 0),
    (SUM, written(SUM.steps[0], "3 + 8 = 12.", answer="12"), 1),
    (SUM, written(SUM.steps[0], SUM.steps[0]), 1),
    (SUM, written(*SUM.steps, "11 + 0 = 11."), 2),
    (SUM, written(*SUM.steps, answer="12"), 2),
    (SUM, written(*SUM.steps) + "\n\nTherefore, it is 11.", 2),
    (SUM, written(*SUM.steps, answer="11") + "\n\nThe end.", 2),
    (SUM, "## Step 2: " + SUM.steps[0], 0),
    (SUM, "## Step 1: " + SUM.steps[0] + "\n\n## Step 3: 3 + 8 = 11.", 1),
    (SUM, "hello", 0),
    (SUM, SUM.steps[0], 0),
    (SUM, written("9" * 5_000 + " + 1 = 1."), 0),
    (EQUATION, written("Move x to get 3x - 7 = 21."), 0),
    (EQUATION, written("Move x to get 9 = 9."), 0),
    (EQUATION, written("Move x to get 3x = 3x."), 0),
    (EQUATION, written("Move x to get 3x - 7 = 2 0."), 0),
    (EQUATION, written("Move x to get 3x - 7 = y."), 0),
    (EQUATION, written("Move x to get 3y = 27."), 0),
    (EQUATION, written(EQUATION.steps[0], "Move the constant to get 3x = 13."), 1),
    (EQUATION, written("x = 28 / 3 = 9."), 0),
    (EQUATION, written("x = 27 / 3 = 8."), 0),
    (EQUATION, written("x = 27 / 0 = 9."), 0),
    (REMAINDER, written("3 + 4 = 7.", answer="2"), 1),
    (REMAINDER, written("7 mod 5 = 2."), 0),
    (REMAINDER, written(*REMAINDER.steps, "2 mod 5 = 2."), 2),
    (COUNTDOWN, written("5 * 3 = 14, leaving 7, 14."), 0),
    (COUNTDOWN, written("5 * 3 = 15, leaving 7, 14."), 0),
    (COUNTDOWN, written("5 * 3 = 15."), 0),
    (COUNTDOWN, written("5 * 4 = 20, leaving 7, 20."), 0),
    (COUNTDOWN, written("5 * 5 = 25, leaving 3, 7."), 0),
    (COUNTDOWN, written("3 - 5 = 2, leaving 7, 2."), 0),
    (COUNTDOWN, written("7 / 3 = 2, leaving 5, 2."), 0),
    (COUNTDOWN, written("I add them up."), 0),
    (COUNTDOWN, written(COUNTDOWN.steps[0], "15 + 7 = 22, leaving 22."), 1),
    (COUNTDOWN, written("5 + 3 = 8, leaving 7, 8."), 0),  # true, but 22 is out of reach now
    (COUNTDOWN, written(*COUNTDOWN.steps, "22 + 0 = 22."), 2),
    (COUNTDOWN, written(*COUNTDOWN.steps, answer="15 + 7"), 2),
]


@pytest.mark.parametrize(("problem", "text", "first_wrong"), WRONG_AT)
def test_everything_from_the_first_wrong_step_on_is_wrong(problem: Problem, text: str, first_wrong: int):
    blocks = text.count("\n\n") + 1
    assert check_steps(problem, text) == [index < first_wrong for index in range(blocks)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("level", LEVELS)
def test_every_canonical_solution_is_right_throughout(kind: Kind, level: int):
    rng = Random(f"checker {kind} {level}")
    for _ in range(40):
        problem = make(rng, kind, level)
        assert check_steps(problem, solution(problem)) == [True] * (len(problem.steps) + 1)
        assert is_correct(problem, problem.answer)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "countdown"])
def test_a_changed_result_in_any_step_is_found(kind: Kind):
    rng = Random(f"changed {kind}")
    for level in LEVELS:
        problem = make(rng, kind, level)
        for index, step in enumerate(problem.steps):
            *_, last = re.finditer(r"\d+", step)
            changed = step[: last.start()] + str(int(last[0]) + 1) + step[last.end() :]
            steps = [*problem.steps[:index], changed, *problem.steps[index + 1 :]]
            labels = check_steps(problem, written(*steps, answer=problem.answer))
            assert labels == [True] * index + [False] * (len(steps) + 1 - index), changed
        assert not is_correct(problem, str(answer_of(problem.question) + 1))
