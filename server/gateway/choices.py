"""More than one answer back: `n` of the chat completions interface, which is not the N of the search."""

from dataclasses import dataclass, replace

from router.plan import Plan, Policy, Room
from router.policy.default import DefaultPolicy
from router.policy.fixed import FixedPolicy
from router.types import Difficulty

from .budgets import Grant


@dataclass(frozen=True, slots=True)
class AtLeast:
    """A policy that finds `choices` solutions before another decides whether they are enough.

    With `apart` the other does not see them: a strategy that was asked for has not run because of them.
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


def policy_for(grant: Grant, choices: int) -> Policy:
    """Return the policy of one request: the pinned strategy, or the default, thrifty under `auto`."""
    policy = FixedPolicy(grant.strategy) if grant.strategy else DefaultPolicy(thrifty=grant.preset == "auto")
    return AtLeast(policy, choices, apart=grant.strategy is not None) if choices > 1 else policy
