"""Who decides how one request is thought about: the client, the words of the request, or the model's policy."""

from dataclasses import dataclass, replace
from typing import Literal

from router.aggregation import Aggregate
from router.difficulty.prompt import answerable, features
from router.plan import Plan, Policy, Room
from router.policy.calibrated import CalibratedPolicy
from router.policy.default import DefaultPolicy
from router.policy.fixed import FixedPolicy
from router.policy.names import plan_for
from router.types import Difficulty, Problem

from .budgets import Grant
from .deps import Model, Rules

ANSWERABLE = 0.3
"""Probability of one short final answer under which a request gets one sample: the threshold is low, for a vote that
is not needed costs compute, and one that is missing costs the answer."""

By = Rules | Literal["pinned", "prompt"]
"""What chose: the model's rules, the client who pinned a strategy, or the prompt, which asks for nothing to vote on."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """The policy of one request, and what chose it."""

    policy: Policy
    by: By


@dataclass(frozen=True, slots=True)
class AtLeast:
    """A policy that finds `choices` solutions before another decides whether they are enough.

    More than one answer back is `n` of the chat completions interface, which is not the N of the search. With `apart`
    the other policy does not see them: a strategy that was asked for has not run because of them.
    """

    policy: Policy
    choices: int
    apart: bool = False

    def probe(self, room: Room) -> int:
        """Return at least as many samples as answers are wanted."""
        return max(self.choices, self.policy.probe(room))

    def plan(self, difficulty: Difficulty | None, room: Room) -> Plan:
        """Return what the other policy plans."""
        solutions = max(0, room.solutions - self.choices) if self.apart else room.solutions
        return self.policy.plan(difficulty, replace(room, solutions=solutions))


@dataclass(frozen=True, slots=True)
class OneSample:
    """One solution, drawn as it would be without a search, because of `reason`."""

    reason: str

    def probe(self, room: Room) -> int:
        """No probe: nothing depends on it."""
        return 0

    def plan(self, difficulty: Difficulty | None, room: Room) -> Plan:
        """Return the one sample, then the end."""
        if room.solutions:
            return Plan(None, Aggregate.MAJORITY, reason=self.reason)
        return plan_for("greedy", 1, reason=self.reason)


def policy_for(grant: Grant, choices: int, problem: Problem, model: Model) -> Chosen:
    """Return the policy of one request, which is to have at least `choices` solutions."""
    chosen = _chosen(grant, problem, model)
    if choices == 1:
        return chosen
    return replace(chosen, policy=AtLeast(chosen.policy, choices, apart=grant.strategy is not None))


def _chosen(grant: Grant, problem: Problem, model: Model) -> Chosen:
    if grant.strategy:
        return Chosen(FixedPolicy(grant.strategy), "pinned")
    if grant.samples > 1 and not grant.demanded and answerable(problem) < ANSWERABLE:
        return Chosen(OneSample("no single answer to vote on"), "prompt")
    return Chosen(_ruled(grant, problem, model), model.rules)


def _ruled(grant: Grant, problem: Problem, model: Model) -> Policy:
    if model.calibration is None:
        return DefaultPolicy(thrifty=grant.preset == "auto" or "price" in grant.named)
    table = model.calibration.table
    estimate = table.estimate(features(problem)) if table.guided and grant.samples > 1 else 0.5
    return CalibratedPolicy(table, grant.price, estimate)
