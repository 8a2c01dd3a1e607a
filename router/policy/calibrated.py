"""The policy that a calibration has made: after every round, the plan that buys the most accuracy for its price.

Open-loop feedback control (Bertsekas 2005, Dynamic Programming and Optimal Control, section 6.1): each round plans as
if its plan were carried out to the end, carries out its first round only, looks at what has come, and plans anew. One
rule stops every strategy: nothing that the table knows gains more accuracy than its compute is worth at the request's
price.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from ..aggregation import Aggregate
from ..difficulty.probe import level
from ..plan import Plan, Room
from ..types import Difficulty
from .names import STRATEGIES, TREES, plan_for
from .table import NOTHING, Option, State, Table

Part = Literal["estimate", "probe", "replanning", "stopping", "scorer"]
"""What an ablation leaves out."""

_MOST = 256


@dataclass(frozen=True, slots=True)
class CalibratedPolicy:
    """Plans from a table. `price` is the accuracy that one sample-equivalent must gain at least.

    `estimate` is the pass rate expected from the prompt alone (`Table.estimate`). `without` leaves parts of the policy
    out, to measure what they are worth.
    """

    table: Table
    price: float
    estimate: float
    without: frozenset[Part] = frozenset()

    def probe(self, room: Room) -> int:
        """No probe apart: the first solution is one."""
        return 0

    def plan(self, difficulty: Difficulty | None, room: Room) -> Plan:
        """Return the next round."""
        shown, scored = difficulty or NOTHING, room.verified and "scorer" not in self.without
        if not room.solutions and room.samples == 1:
            return plan_for("greedy", 1, reason="one sample is all there is")
        if not room.solutions and "probe" not in self.without:
            return replace(plan_for("greedy", 1, reason="the first solution"), provisional=True)
        judged = scored and shown.judged > 0
        if self.without & {"probe", "replanning"} and self._has_planned(shown, room):
            return self._stop("the one plan has run", judged=judged, stopped="complete")
        state = self.table.state(room.solutions, judged=judged) or self.table.state(room.solutions, judged=False)
        if state is None:
            return self._nothing_known(room, judged=judged)
        seen = state.seen(shown, self._average() if "estimate" in self.without else self.estimate)
        pass_rate = state.pass_rate(seen)
        graded = replace(shown, pass_rate=pass_rate, score=1.0 - pass_rate, level=level(1.0 - pass_rate))
        best = self._best(state, seen, room, scored=scored, judged=judged)
        return replace(best, difficulty=graded if difficulty else None)

    def _average(self) -> float:
        """Return the pass rate that would be expected of the average prompt: no estimate at all."""
        return self.table.estimate(self.table.estimate.centre)

    def _has_planned(self, shown: Difficulty, room: Room) -> bool:
        """Tell whether something has run after the first solution, which is no plan but a probe."""
        return room.solutions > (0 if "probe" in self.without else 1) or shown.judged > 0

    def _nothing_known(self, room: Room, *, judged: bool) -> Plan:
        if room.solutions:
            return self._stop("nothing was calibrated for this", judged=judged)
        return replace(plan_for("greedy", 1, reason="the first solution"), provisional=True)

    def _best(self, state: State, seen: Sequence[float], room: Room, *, scored: bool, judged: bool) -> Plan:
        """Return the first round of the best option, or stop where none is worth its price; ties go to the cheaper."""
        best, most, worth, short = None, 0, 0.0, ""
        for option in state.cell(seen).options:
            wanted = self._wanted(option, state, room, scored=scored)
            if wanted is None:
                continue
            extra = self._affordable(option, wanted, room)
            value = self._value(option, scored=scored, last=room.samples is not None and (extra or 0) >= room.samples)
            if extra is None:
                short = short or (self._missing(wanted, room) if value > 0 else "")
                continue
            if extra < wanted:  # gains are concave: a part is worth its share at least
                value *= extra / wanted
            if value > worth or (best and value == worth and option.compute < best.compute):
                best, most, worth = option, extra, value
        if best:
            return self._round(best, most, room)
        if not room.solutions:
            return self._nothing_known(room, judged=judged)
        if "stopping" in self.without:
            return self._more(room, scored=scored, judged=judged)
        if short:
            return self._stop("what is left does not pay for what would be worth it", judged=judged, stopped=short)
        short = room.shortage if room.affordable(1, judged=scored) < 1 else "agreed"
        return self._stop("more is not worth its price", judged=judged, stopped=short)

    def _value(self, option: Option, *, scored: bool, last: bool) -> float:
        """Return what the option adds at the request's price, in accuracy.

        Its worth counts on going on as is best. Where that cannot be, because it is the `last` that the budget allows,
        nothing is planned after it, or the scorer that the table counts on is not there, it has to pay by itself.
        """
        if last or self.without & {"probe", "replanning"} or (self.table.judged and not scored):
            return option.hoped - self.price * option.compute
        low, high, share = self.table.at(self.price)
        beyond = max(0.0, self.price - self.table.prices[-1])
        return (1 - share) * option.worth[low] + share * option.worth[high] - beyond * option.compute

    def _wanted(self, option: Option, state: State, room: Room, *, scored: bool) -> int | None:
        """Return how many further solutions the option asks for; None where the option is none now."""
        verified = STRATEGIES[option.strategy].verified
        if verified and not scored:
            return None
        wanted = 0 if option.n == state.samples else option.n - room.solutions
        judges = verified and not state.judged and option.strategy not in TREES and room.solutions > 0
        return wanted if wanted > 0 or (wanted == 0 and judges) else None

    def _affordable(self, option: Option, wanted: int, room: Room) -> int | None:
        """Return how many of the `wanted` solutions can be paid, None where the option cannot.

        A tree is no tree with a part of its paths.
        """
        if not wanted:
            return 0 if self._pays_judging(room) else None
        extra = min(wanted, room.affordable(wanted, judged=STRATEGIES[option.strategy].verified))
        return None if extra < (wanted if option.strategy in TREES else 1) else extra

    def _pays_judging(self, room: Room) -> bool:
        """Tell whether the tokens left pay for judging what there is."""
        if room.tokens is None or room.typical is None or room.plain is None:
            return True
        return room.unjudged * (room.typical - room.plain) <= room.tokens

    def _missing(self, wanted: int, room: Room) -> str:
        """Return what an option that would be worth it cannot be paid with."""
        short = room.shortage if wanted else "budget"
        return "budget" if short == "complete" and room.samples != 0 else short

    def _more(self, room: Room, *, scored: bool, judged: bool) -> Plan:
        """Return whatever there is to spend more on."""
        name = "weighted_best_of_n" if scored else "majority_voting"
        left = room.affordable(_MOST - room.solutions if room.samples is None else room.samples, judged=scored)
        if left < 1 and (judged or not scored or not self._pays_judging(room)):
            return self._stop("nothing is left to spend", judged=judged, stopped=room.shortage)
        return plan_for(name, min(left, room.solutions), reason="all there is is spent")

    def _round(self, option: Option, extra: int, room: Room) -> Plan:
        """Return the part of the option to carry out before looking again: solutions double at most.

        Before the first there is nothing to look at.
        """
        reason = (
            f"{option.strategy} to {option.n} gains {100 * option.gain:.1f} points for {option.compute:.1f} solutions"
        )
        whole = option.strategy in TREES or "replanning" in self.without or self._hurried(room)
        n = extra if whole or not room.solutions else min(extra, room.solutions)
        return plan_for(option.strategy, n, option.m, reason=reason)

    def _hurried(self, room: Room) -> bool:
        """Tell whether so little time is left that what is worth doing is done at once."""
        return room.seconds is not None and room.seconds < 2 * room.elapsed

    def _stop(self, reason: str, *, judged: bool, stopped: str = "agreed") -> Plan:
        aggregate = Aggregate.WEIGHTED_MAJORITY if judged else Aggregate.MAJORITY
        return Plan(None, aggregate, reason=reason, stopped=stopped)
