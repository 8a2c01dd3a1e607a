"""The strategy somebody asked for, with as many paths as the budget has."""

from dataclasses import dataclass

from ..plan import Plan, Room
from ..types import Difficulty
from .names import STRATEGIES, plan_for

_UNBOUNDED = 256


@dataclass(frozen=True, slots=True)
class FixedPolicy:
    """Always the strategy `name`; `n` None means as many paths as fit."""

    name: str
    n: int | None = None

    def probe(self, room: Room) -> int:
        """Two samples teach what a solution costs, where a tree must be sized to a number of tokens."""
        stepwise = self.name in ("beam_search", "dvts")
        return 2 if stepwise and self.n is None and room.tokens is not None and (room.samples or 8) >= 8 else 0

    def plan(self, difficulty: Difficulty | None, room: Room) -> Plan:
        """Return the one plan, once."""
        probed = 0 if difficulty is None else difficulty.samples
        if room.solutions > probed:
            return Plan(None, STRATEGIES[self.name].aggregate, reason="the strategy asked for has run")
        n = room.affordable(self.n or _UNBOUNDED)
        return plan_for(self.name, n, reason="asked for by the client")
