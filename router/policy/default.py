"""The policy that needs no calibration: documented rules from difficulty and budget."""

from dataclasses import dataclass, replace

from ..aggregation import Aggregate
from ..plan import Plan, Room
from ..stopping import Standing, Stopping, overtaken
from ..types import Difficulty
from .names import plan_for

_PROBE = 4
_WORTH_PROBING = 8
_MOST = 256
_FEW = 3
_ENOUGH = 16
_SURE = 0.5
_HURRY = 3.0
_CONFIDENCE = 0.95
_THRIFTY_CONFIDENCE = 0.8


@dataclass(frozen=True, slots=True)
class DefaultPolicy:
    """Probe with four samples, then double them until the vote is settled: the harder the question, the later that is.

    - One sample: greedy. Fewer than eight: all of them at once, weighted by the scorer.
    - The four or more are unanimous and the scorer rather believes them (0.5): stop. On the calibration split, more
      samples then hardly ever change the answer.
    - The second answer will overtake the first in the long run with a probability of 5 % at most (Adaptive-Consistency,
      Aggarwal et al. 2023), with `thrifty` of 20 %: stop. Votes count by their values where there is a scorer.
    - No sample states an answer: stop. There is nothing to vote on.
    - Else weighted best-of-N, without a scorer majority voting: as many again as there are. Easy questions (levels 1
      and 2) get with `thrifty` at most sixteen samples in all.
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
        most = max(0, _MOST - room.solutions) if room.samples is None else _MOST
        n = room.affordable(most)
        if difficulty is None or difficulty.samples < _FEW or room.short(_HURRY, _PROBE):
            return self._unprobed(n, room.affordable(most, judged=False), room)
        if n < 1:
            return self._stop(room, "the budget is used", room.shortage)
        if difficulty.agreement == 0:
            return self._stop(room, "no sample states an answer to vote on")
        if reason := self._settled(difficulty):
            return self._stop(room, reason, "agreed")
        if self.thrifty and difficulty.level <= 2:
            n = min(n, _ENOUGH - room.solutions)
        if n < 1:
            return self._stop(room, "enough for this difficulty", "agreed")
        return self._vote(min(n, room.solutions), room, f"difficulty {difficulty.level} of 5")

    def _settled(self, shown: Difficulty) -> str | None:
        """Say why more votes would hardly change the answer, or None."""
        if shown.agreement == 1 and shown.samples >= _PROBE and (shown.value is None or shown.value >= _SURE):
            return "all samples agree"
        standing = Standing()
        if shown.value is None or shown.judged < shown.samples:  # by heads, where the scorer has not seen all of them
            standing.leader, standing.runner_up = shown.samples * shown.agreement, shown.samples * shown.runner_up
        else:
            total = shown.judged * shown.value
            standing.leader, standing.runner_up = total * shown.weight, total * (1.0 - shown.weight)
        return "the answer in front will hardly be overtaken" if overtaken(standing, 1) <= self._doubt else None

    @property
    def _doubt(self) -> float:
        return 1.0 - (_THRIFTY_CONFIDENCE if self.thrifty else _CONFIDENCE)

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
        if room.verified:
            return plan_for("weighted_best_of_n", n, reason=reason)
        # In votes that are not judged the rule can speak while samples come in, and cancel the rest.
        rule = Stopping(overtaken, self._doubt / (room.plain or 1.0)) if room.plain else None
        return replace(plan_for("majority_voting", n, reason=reason), stopping=rule)

    def _stop(self, room: Room, reason: str, stopped: str = "complete") -> Plan:
        aggregate = Aggregate.WEIGHTED_MAJORITY if room.verified else Aggregate.MAJORITY
        return Plan(None, aggregate, reason=reason, stopped=stopped)
