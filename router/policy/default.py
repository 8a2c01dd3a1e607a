"""The policy that needs no calibration: documented rules from difficulty and budget."""

from dataclasses import dataclass, replace

from ..aggregation import Aggregate
from ..plan import Plan, Room
from ..types import Difficulty
from .names import plan_for

_PROBE = 4
_WORTH_PROBING = 8
_MOST = 256
_FEW = 3
_ENOUGH = 16
_SURE = 0.5
_HURRY = 3.0


@dataclass(frozen=True, slots=True)
class DefaultPolicy:
    """Probe with four samples, stop if they settle it, search harder the harder the question is.

    - One sample: greedy. Fewer than eight: all of them at once, weighted by the scorer.
    - The probe is unanimous and the scorer rather believes it (0.5): stop. On the calibration split, more samples then
      hardly ever change the answer.
    - No sample states an answer: stop. There is nothing to vote on.
    - Easy (levels 1 and 2): weighted best-of-N, with `thrifty` at most sixteen samples in all.
    - Harder: weighted best-of-N with all that is left; without a scorer majority voting.
    - With less than three seconds, or tokens for less than four of the longest samples: one whole answer first, then
      waves, each as large as the pace and the price so far let expect to fit; unjudged where judging is too dear.
    """

    thrifty: bool = False
    """Whether samples that are not needed stay unspent even where the budget would allow them."""

    def probe(self, room: Room) -> int:
        """Four samples, where the budget is large enough for the answer to matter."""
        worth_it = room.samples is None or room.samples >= _WORTH_PROBING
        return _PROBE if worth_it and not room.short(_HURRY, _PROBE) else 0

    def plan(self, difficulty: Difficulty | None, room: Room) -> Plan:
        """Return the next thing to do."""
        most = _MOST - room.solutions if room.samples is None else _MOST
        n = room.affordable(most)
        if difficulty is None:
            return self._unprobed(n, room.affordable(most, judged=False), room)
        if n < 1:
            return self._stop(room, "the budget is used", room.shortage)
        if difficulty.agreement == 0:
            return self._stop(room, "no sample states an answer to vote on")
        if difficulty.agreement == 1 and (difficulty.value is None or difficulty.value >= _SURE):
            return self._stop(room, "the probe is unanimous", "agreed")
        if self.thrifty and difficulty.level <= 2:
            n = min(n, _ENOUGH - room.solutions)
        if n < 1:
            return self._stop(room, "enough for this difficulty", "agreed")
        return self._vote(n, room, f"difficulty {difficulty.level} of 5")

    def _unprobed(self, n: int, unjudged: int, room: Room) -> Plan:
        """Plan where there is too little for a probe: `n` more judged samples fit, or `unjudged` others."""
        short = room.short(_HURRY, _PROBE)
        if not room.solutions and (n == 1 or short):
            return replace(plan_for("greedy", 1, reason="one whole answer first"), provisional=room.samples != 1)
        if room.solutions and not short:
            return self._stop(room, "the small budget is used", room.shortage)
        if n >= _FEW or n == unjudged >= 1:
            return self._vote(n, room, "a small budget")
        if unjudged >= _FEW - 1:
            return plan_for("majority_voting", unjudged, reason="too little for judging")
        return self._stop(room, "the budget is used", room.shortage)

    def _vote(self, n: int, room: Room, reason: str) -> Plan:
        return plan_for("weighted_best_of_n" if room.verified else "majority_voting", n, reason=reason)

    def _stop(self, room: Room, reason: str, stopped: str = "complete") -> Plan:
        aggregate = Aggregate.WEIGHTED_MAJORITY if room.verified else Aggregate.MAJORITY
        return Plan(None, aggregate, reason=reason, stopped=stopped)
