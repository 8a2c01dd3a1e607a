from dataclasses import replace

import pytest

from router.events import Answered, Degraded, Event, Lost, Planned, Probed, Pruned, Sampled, Scored
from router.types import Difficulty, Finish
from server.gateway.progress import Narrator

GRADED = Difficulty(4, 0.75, 0.5, 0.375, 2)


def told(*events: Event) -> list[str]:
    narrator = Narrator()
    for event in events:
        narrator.observe(event)
    assert narrator.text == "".join(narrator.lines)
    return [line.rstrip() for line in narrator.lines]


def solution(path: int, answer: str | None = "42") -> Sampled:
    return Sampled((path,), 5, Finish.EOS, answer)


def test_the_first_grading_is_told_in_full_and_those_after_it_in_a_few_words() -> None:
    later = replace(GRADED, samples=8, agreement=0.88, level=1)
    assert told(Probed(GRADED), Probed(later), Probed(replace(later, pass_rate=0.9))) == [
        "Probe: 4 samples, agreement 0.75, mean value 0.50: difficulty 2 of 5.",
        "After 8: agreement 0.88, difficulty 1 of 5.",
        "After 8: agreement 0.88, pass rate 0.90, difficulty 1 of 5.",
    ]
    rated = Probed(replace(GRADED, pass_rate=0.25))
    assert told(rated) == ["Probe: 4 samples, agreement 0.75, mean value 0.50, pass rate 0.25: difficulty 2 of 5."]
    assert told(Probed(replace(GRADED, value=None))) == ["Probe: 4 samples, agreement 0.75: difficulty 2 of 5."]


def test_one_solution_that_is_enough_needs_no_line() -> None:
    plan = Planned("greedy", 1, "majority", "the first solution")
    enough = Planned(None, 0, "majority", "more is not worth its price")
    graded = Probed(replace(GRADED, samples=1, pass_rate=0.97))
    assert told(plan, solution(0), graded, enough, Answered("42", 1, 1, 1.0, "agreed")) == []


def test_a_round_says_what_it_is_for() -> None:
    voting = Planned("majority_voting", 3, "majority", "majority_voting to 4 gains 3 points")
    judging = Planned("weighted_best_of_n", 0, "weighted_majority", "weighted_best_of_n to 2 gains -4.8 points")
    enough = Planned(None, 0, "weighted_majority", "the vote is decided")
    assert told(solution(0), voting, solution(1), judging, enough) == [
        "Plan: majority voting with n = 3 (majority voting to 4 gains 3 points).",
        "Judging what there is.",
        "Enough: the vote is decided.",
    ]


def test_every_eighth_solution_says_who_leads() -> None:
    lines = told(*(solution(i, "7" * 80 if i else None) for i in range(17)))
    assert [line.split(":")[0] for line in lines] == ["8 solutions", "16 solutions"]
    assert lines[0].endswith("7... leads with 7.")


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (Scored(4, 100, 0.875), "Scored 4 candidates: the best has 0.88."),
        (Pruned(((0,), (1,))), "Pruned 2 paths."),
        (Lost(3, "gone"), "Lost 3 samples."),
        (Degraded("scorer: gone"), "Degraded: the scorer failed, going on without it."),
    ],
)
def test_what_happens_is_one_line(event: Event, line: str) -> None:
    assert told(event) == [line]


@pytest.mark.parametrize("event", [Scored(1, 9, 0.5), Scored(4, 9, None), Sampled((0,), 5, Finish.STEP, None)])
def test_what_says_nothing_is_no_line(event: Event) -> None:
    assert told(event) == []


def test_the_end_says_what_was_decided_on_what() -> None:
    answered = Answered("42", 3, 4, 0.75, "agreed")
    assert told(Lost(1, ""), answered)[-1] == "Answer: 42 (3 of 4 solutions, confidence 0.75, agreed)."
    unstated = Answered(None, 0, 4, 0.0, "complete")
    assert told(Lost(1, ""), unstated)[-1] == "No solution of 4 states a final answer (complete)."
