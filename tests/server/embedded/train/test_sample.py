import numpy as np
import pytest

from server.embedded.problems.family import solution
from server.embedded.problems.problem import Problem
from server.embedded.problems.splits import draw
from server.embedded.train.calibrate import labelled_steps, measure
from server.embedded.train.pack import TOKENIZER
from server.embedded.train.sample import Sampler, labelled_sample


@pytest.fixture(scope="module")
def problem() -> Problem:
    return draw("calibration", 1, seed=1)[0]


def test_the_canonical_solution_is_right_in_every_step(problem: Problem):
    sample = labelled_sample(problem, [5], solution(problem))
    assert sample.right
    assert sample.labels == [True] * (len(problem.steps) + 1)


def test_a_wrong_answer_is_wrong_from_its_step_on(problem: Problem):
    sample = labelled_sample(problem, [5], "## Step 1: nonsense.\n\n" + solution(problem).rpartition("\n\n")[2])
    assert sample.labels == [False, False]


def test_a_text_without_an_answer_is_not_right(problem: Problem):
    assert not labelled_sample(problem, [5], "## Step 1: perhaps").right


def test_the_same_seed_draws_the_same_samples_and_another_seed_others():
    many_ways = [p for p in draw("calibration", 20, seed=1) if p.kind == "countdown"]
    problem = many_ways[-1]
    (first,), (again,), (other,) = (Sampler(TOKENIZER.parent, 4, seed).records([problem]) for seed in (1, 1, 2))
    assert first == again
    assert first.samples != other.samples
    assert first.question == problem.question
    assert all(sample.text and sample.ids for sample in first.samples)


def test_samples_are_measured_step_by_step(problem: Problem):
    (record,) = Sampler(TOKENIZER.parent, 4, seed=1).records([problem])
    (measured,) = measure([record], TOKENIZER.parent)
    assert [len(features) for features in measured.features] == [len(s.labels) for s in record.samples]
    rows, labels = labelled_steps([measured])
    assert len(rows) == len(labels) > 0
    # The log of the length says how many tokens a step has: together they are the sample.
    assert round(float(np.exp(measured.features[0][:, 2]).sum())) == len(record.samples[0].ids)


def test_records_come_in_the_order_of_their_problems():
    problems = draw("calibration", 1, seed=1)[::-1]  # the longest first, which are done last
    records = Sampler(TOKENIZER.parent, 2, seed=1).records(problems)
    assert [record.question for record in records] == [problem.question for problem in problems]
