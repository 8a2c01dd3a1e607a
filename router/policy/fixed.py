"""The strategy somebody asked for, with as many paths as the budget has."""

from dataclasses import dataclass, replace

from ..aggregation import Aggregate
from ..plan import Plan, Room
from ..stopping import Stopping, decided
from ..types import Difficulty
from .names import STRATEGIES, TREES, plan_for

_UNBOUNDED = 256
_HURRY = 10.0
_FEW = 4


@dataclass(frozen=True, slots=True)
class FixedPolicy:
    """Always the strategy `name`; `n` None means as many paths as fit.

    With less than ten seconds to go, or tokens for less than four of the longest samples, one whole answer comes
    first: it shows what a solution takes, and it is there when nothing else ends in time. Trees are then sized to
    what is left, and independent samples come in waves. Votes end when they are decided: the answer is the same.
    """

    name: str
    n: int | None = None

    def probe(self, room: Room) -> int:
        """No probe: there is nothing to choose."""
        return 0

    def plan(self, difficulty: Difficulty | None, room: Room) -> Plan:
        """Return the one plan, or its next wave."""
        entry, short = STRATEGIES[self.name], room.short(_HURRY, _FEW)
        most = 1 if self.name == "greedy" else self.n or _UNBOUNDED
        wanted = most - room.solutions
        if short and not room.solutions and wanted > 1 and room.samples != 1:
            return replace(plan_for("greedy", 1, reason="one whole answer first"), provisional=True)
        n = min(wanted, room.affordable(_UNBOUNDED, judged=entry.verified))
        has_run = room.solutions > (1 if short else 0)
        if n < 1 or (has_run and (self.name in TREES or not short)):
            stopped = "complete" if wanted < 1 else room.shortage
            return Plan(None, entry.aggregate, reason="the strategy asked for has run", stopped=stopped)
        later = (wanted if room.samples is None else min(wanted, room.samples)) - n
        stopping = self._stopping(n, later, room)
        return replace(plan_for(self.name, n, reason="asked for by the client"), stopping=stopping)

    def _stopping(self, n: int, later: int, room: Room) -> Stopping | None:
        """Return the rule that stops when nothing these `n` paths and later waves may bring could change the answer."""
        if STRATEGIES[self.name].aggregate is Aggregate.BEST_OF_N:
            return None  # a better solution may always be still to come
        if self.name in TREES and n != room.samples:
            return None  # only what the samples bound is sure to have no more than `n` solutions
        return Stopping(decided, later=later)
