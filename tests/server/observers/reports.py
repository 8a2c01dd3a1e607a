"""Reports as the gateway writes them, for the observers' tests."""

from dataclasses import replace

from router.aggregation import Aggregate
from router.answering import Answer
from router.budget import Budget, Spent
from router.policy.names import plan_for
from router.types import Candidate, Difficulty, Finish, Verdict, Vote
from server.report import Outcome, Report

_CHOSEN = Candidate((0,), "The answer is 42.", 5, finish=Finish.EOS)

ANSWER = Answer(
    verdict=Verdict((_CHOSEN,), "42", (Vote("42", 8, 6.5),), 0.9),
    plan=replace(plan_for("dvts", 8), aggregate=Aggregate.WEIGHTED_MAJORITY),
    difficulty=Difficulty(4, 0.75, 0.5, 0.4, 3),
    spent=Spent(samples=8, tokens=300, scorer_tokens=50, compute=400),
    overrun=0,
    prompt_tokens=12,
    stopped="complete",
    degraded=("scorer: gone",),
    lost=2,
    solutions=6,
)

ANSWERED = Report(
    request_id="req_1",
    outcome=Outcome.ANSWERED,
    stream=True,
    seconds=0.3,
    first_token=0.04,
    preset="medium",
    budget=Budget(samples=16, tokens=1000, deadline=2.0),
    answer=ANSWER,
)

REFUSED = Report("req_2", Outcome.INVALID, False, 0.001, None, None, None, None)

FAILED = Report(
    "req_3", Outcome.GENERATOR, False, 0.2, None, "auto", Budget(samples=64), None, model="math", cause='"a"\nbroke'
)
