"""The strategy somebody asked for, with as many paths as the budget has."""

from dataclasses import dataclass

from ..plan import Plan, Room
from ..types import Difficulty
from .names import STRATEGIES, plan_for

_UNBOUNDED = 256
_STEPWISE = ("beam_search", "dvts")
_TIGHT = 10.0
_FIRST_WAVE = 4


@dataclass(frozen=True, slots=True)
class FixedPolicy:
    """Always the strategy `name`; `n` None means as many paths as fit.

    With less than ten seconds to go, independent samples come in waves: the first shows how many more fit.
    """

    name: str
    n: int | None = None

    def probe(self, room: Room) -> int:
        """Two samples teach what a solution costs, where a tree must be sized to a number of tokens."""
        sized = self.n is None and room.tokens is not None and (room.samples is None or room.samples >= 8)
        return 2 if sized and self.name in _STEPWISE else 0

    def plan(self, difficulty: Difficulty | None, room: Room) -> Plan:
        """Return the one plan, or its next wave."""
        waves = room.seconds is not None and room.seconds < _TIGHT and self.name not in (*_STEPWISE, "greedy")
        probed = 0 if difficulty is None else difficulty.samples
        wanted = (self.n or _UNBOUNDED) - (room.solutions if waves else 0)
        n = room.affordable(wanted if room.solutions or not waves else min(wanted, _FIRST_WAVE))
        if n < 1 or (room.solutions > probed and not waves):
            return Plan(None, STRATEGIES[self.name].aggregate, reason="the strategy asked for has run")
        return plan_for(self.name, n, reason="asked for by the client")
