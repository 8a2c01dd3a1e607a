"""What replaying a pool says is what answering with its solutions would have said."""

from dataclasses import replace
from random import Random

import numpy as np
import pytest

from router.aggregation import Aggregate, aggregate
from router.calibration.outcomes import outcomes, pass_rate, seen_at
from router.calibration.pools import Pool, Searched, Solution
from router.difficulty.probe import grade
from router.equality import key
from router.policy.table import EVIDENCE
from router.types import Candidate, Finish

from . import synthetic
from .synthetic import MIDDLING, RATIO


def pool(*solutions: Solution, searches: tuple[Searched, ...] = ()) -> Pool:
    return Pool(0, "q", None, 10, (), solutions, searches)


def stating(answer: int, value: float | None = None, *, correct: bool = False, tokens: int = 10) -> Solution:
    return Solution(tokens, -1.0, answer, correct, value, 5)


def candidates(some: Pool, n: int, *, judged: bool) -> list[Candidate]:
    return [
        Candidate(
            (i,),
            "hm" if s.answer < 0 else f"\\boxed{{{s.answer}}}",
            tokens=s.tokens,
            logprob=s.logprob,
            finish=Finish.EOS,
            value=s.value if judged else None,
        )
        for i, s in enumerate(some.solutions[:n])
    ]


def any_pool(item: int) -> Pool:
    """With silent solutions, and answers of which the smallest is right."""
    rng = Random(item)
    answers = [rng.choice([-1, 0, 1, 2]) for _ in range(8)]
    return replace(
        pool(*(stating(a, rng.choice([0.0, 0.5, rng.random()]), correct=a == 0) for a in answers)), item=item
    )


@pytest.mark.parametrize("judged", [False, True])
def test_votes_are_those_of_the_router(judged: bool):
    some = [any_pool(i) for i in range(60)]
    data = outcomes(some, RATIO, [0.5] * 60)
    how = Aggregate.WEIGHTED_MAJORITY if judged else Aggregate.MAJORITY
    for n in (1, 2, 4, 8):
        expected = [aggregate(candidates(p, n, judged=judged), how, key).answer == "0" for p in some]
        assert data.right[n, judged].tolist() == expected


@pytest.mark.parametrize("judged", [False, True])
def test_evidence_is_what_the_router_would_have_seen(judged: bool):
    some = [any_pool(i) for i in range(20)]
    data = outcomes(some, RATIO, [0.5] * 20)
    for n in (1, 2, 4, 8):
        assert data.difficulties[n, judged] == [grade(candidates(p, n, judged=judged), key) for p in some]


def test_compute_adds_up():
    data = outcomes([pool(*(stating(0, 0.5, tokens=t) for t in (10, 20, 30)))], 2.0, [0.5])
    assert data.stages == (1, 2)
    assert (data.generated[1][0], data.generated[2][0]) == (10, 30)
    assert (data.judging[1][0], data.judging[2][0]) == (10, 20)
    assert data.unit == 15.0


def test_the_greedy_solution_is_no_sample():
    right, wrong = stating(0, correct=True), stating(1)
    assert pass_rate(pool(wrong, right, right, wrong)) == pytest.approx(2 / 3)
    assert pass_rate(pool(right)) == 1.0


def test_one_solution_without_a_value_means_that_there_was_no_scorer():
    judged = synthetic.pools(3, n=4)
    holed = [*judged, pool(*[stating(0, 0.5)] * 3, stating(0))]
    assert outcomes(judged, RATIO, [0.5] * 3).judged
    assert not outcomes(holed, RATIO, [0.5] * 4).judged


def test_stages_end_with_the_shortest_pool():
    some = [synthetic.pool(0, MIDDLING, n=70), synthetic.pool(1, MIDDLING, n=33)]
    assert outcomes(some, RATIO, [0.5] * 2).stages == (1, 2, 4, 8, 16, 32)
    assert outcomes(some[:1], RATIO, [0.5]).stages == (1, 2, 4, 8, 16, 32, 64)


def test_before_the_first_solution_only_the_estimate_is_seen():
    data = outcomes(synthetic.pools(3, n=2), RATIO, [0.1, 0.2, 0.3])
    seen = seen_at(data, np.array([2, 0]), (0, False))
    assert seen.shape == (2, len(EVIDENCE))
    assert seen[:, -1].tolist() == [0.3, 0.1]
    assert (seen[0, :-1] == seen[1, :-1]).all()


def test_silence_is_never_right():
    data = outcomes([pool(stating(-1, 0.9), stating(-1, 0.9))], RATIO, [0.5])
    assert [a.item() for a in data.right.values()] == [0.0] * 4


def test_searches_are_those_that_every_pool_has():
    dvts, beams = Searched("dvts", 4, 2, True, 9), Searched("beam_search", 4, 4, False, 9)
    some = [pool(*[stating(0)] * 2, searches=found) for found in ((dvts, beams), (dvts,))]
    assert outcomes(some, RATIO, [0.5] * 2).searches == (("dvts", 4, 2),)


def test_after_the_first_solution_the_estimate_is_seen_where_it_is_to_guide():
    data = outcomes(synthetic.pools(3, n=2), RATIO, [0.1, 0.2, 0.6])
    every = np.arange(3)
    assert seen_at(data, every, (1, False))[:, -1].tolist() == pytest.approx([0.3] * 3)
    assert seen_at(replace(data, guided=True), every, (1, False))[:, -1].tolist() == [0.1, 0.2, 0.6]
