"""What a calibration has found: for each state and difficulty, what more compute is worth.

A state is how many solutions there are and whether they have been judged. Within a state, questions are sorted into
cells by a small tree over what their solutions show; each cell knows what every way to go on has gained, and what it
took. (Snell et al. 2024, section 3: difficulty bins and the best strategy of each; here there is a table for every
round of a search, not for its start alone, and its rows are gains over stopping now.)
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import exp, log, log1p

from ..types import Difficulty

EVIDENCE = (
    "agreement", "runner_up", "answers", "silent", "first_logprob", "length", "weight", "best", "value", "estimate",
)  # fmt: skip
"""What the trees ask about, in the order of `evidence`."""

NOTHING = Difficulty(0, 0.0, None, 1.0, 5)
"""What is shown before the first solution."""

_LOGPROB = EVIDENCE.index("first_logprob")
_FLOOR = 1e-4

Z = 1.96
"""Standard errors that a 95 % interval reaches to either side."""

DOUBT = 0.5
"""Standard errors that what an option gets is taken for better than its mean: stopping too early by accident costs
accuracy at every price, going on by accident costs compute once."""


def evidence(shown: Difficulty, estimate: float) -> tuple[float, ...]:
    """Return the numbers that trees and posteriors read. `estimate` is the pass rate expected before any sample."""
    return (
        shown.agreement,
        shown.runner_up,
        shown.answers / max(1, shown.samples),
        shown.silent,
        log1p(max(0.0, -shown.first_logprob)),
        log1p(shown.length),
        shown.weight,
        log(shown.best + _FLOOR),
        log((shown.value or 0.0) + _FLOOR),
        estimate,
    )


@dataclass(frozen=True, slots=True)
class Logistic:
    """A probability from features: the fitted pass rate. `centre` and `scale` standardise the features."""

    bias: float
    weights: tuple[float, ...]
    centre: tuple[float, ...]
    scale: tuple[float, ...]

    def __call__(self, features: Sequence[float]) -> float:
        """Return the probability, in (0, 1). Raises ValueError for features of another number."""
        rows = zip(self.weights, features, self.centre, self.scale, strict=True)
        score = self.bias + sum(w * (x - c) / s for w, x, c, s in rows)
        return 1.0 / (1.0 + exp(-max(-30.0, min(30.0, score))))


@dataclass(frozen=True, slots=True)
class Split:
    """A question of a tree: evidence number `feature` at most `threshold` goes `low`, else `high`."""

    feature: int
    threshold: float
    low: "Split | int"
    high: "Split | int"

    def leaf(self, features: Sequence[float]) -> int:
        """Return the number of the cell that these features belong to."""
        node: Split | int = self
        while isinstance(node, Split):
            node = node.low if features[node.feature] <= node.threshold else node.high
        return node


@dataclass(frozen=True, slots=True)
class Option:
    """One way to go on: with `strategy` until there are `n` solutions in all (m is the branching of tree searches).

    `gain` is the accuracy it adds to stopping now, with its 95 % interval, and `compute` what it takes, in
    sample-equivalents. `worth` is, for each of the table's prices, what it adds when the search then goes on as is
    best: accuracy less the price of the compute.
    """

    strategy: str
    n: int
    gain: float = 0.0
    low: float = 0.0
    high: float = 0.0
    compute: float = 0.0
    worth: tuple[float, ...] = ()
    m: int = 4

    @property
    def hoped(self) -> float:
        """The gain, taken for `DOUBT` standard errors better than was seen."""
        return self.gain + DOUBT * (self.high - self.gain) / Z


@dataclass(frozen=True, slots=True)
class Cell:
    """Questions that look alike: how many there were, their mean pass rate, how often stopping now is right."""

    problems: int
    pass_rate: float
    accuracy: float
    options: tuple[Option, ...]


@dataclass(frozen=True, slots=True)
class State:
    """What is known after `samples` solutions, `judged` or not."""

    samples: int
    judged: bool
    pass_rate: Logistic
    tree: Split | int
    cells: tuple[Cell, ...]

    def seen(self, shown: Difficulty, estimate: float) -> tuple[float, ...]:
        """Return the evidence, with a log-probability that the backend did not tell taken for the usual one."""
        numbers = evidence(shown, estimate)
        if shown.first_logprob:
            return numbers
        return (*numbers[:_LOGPROB], self.pass_rate.centre[_LOGPROB], *numbers[_LOGPROB + 1 :])

    def cell(self, features: Sequence[float]) -> Cell:
        """Return the cell that these features belong to."""
        return self.cells[self.tree.leaf(features) if isinstance(self.tree, Split) else self.tree]


@dataclass(frozen=True)
class Table:
    """Everything fitted. `unit` is one sample-equivalent: the mean tokens of one solution of the calibration.

    `prices` are those that options are valued at, in accuracy per sample-equivalent, rising. `estimate` predicts the
    pass rate from a prompt's features (router.difficulty.prompt).
    """

    unit: float
    prices: tuple[float, ...]
    estimate: Logistic
    states: tuple[State, ...]

    @cached_property
    def _by_judged(self) -> dict[bool, list[State]]:
        ordered = sorted(self.states, key=lambda s: s.samples)
        return {judged: [s for s in ordered if s.judged is judged] for judged in (False, True)}

    @cached_property
    def guided(self) -> bool:
        """Whether solutions are looked at in the light of the estimate from the prompt, which is then to be made."""
        at = EVIDENCE.index("estimate")
        after = [state for state in self.states if state.samples]
        return any(state.pass_rate.weights[at] or _asks(state.tree, at) for state in after)

    @cached_property
    def judged(self) -> bool:
        """Whether a scorer took part in the calibration."""
        return bool(self._by_judged[True])

    def state(self, samples: int, *, judged: bool) -> State | None:
        """Return the state of the most solutions that is not beyond `samples`, or None.

        What is known before the first solution says nothing of what is worth while after it.
        """
        states = self._by_judged[judged]
        at = bisect_right(states, samples, key=lambda s: s.samples)
        return states[at - 1] if at and (states[at - 1].samples > 0 or samples == 0) else None

    def at(self, price: float) -> tuple[int, int, float]:
        """Return between which two of the prices this one lies, and how far from the first, in [0, 1].

        What an option adds falls linearly with the price, as long as what follows it stays the same.
        """
        above = bisect_right(self.prices, price)
        if above == 0 or above == len(self.prices):
            only = 0 if above == 0 else above - 1
            return only, only, 0.0
        low, high = self.prices[above - 1], self.prices[above]
        return above - 1, above, (price - low) / (high - low)


def _asks(node: Split | int, feature: int) -> bool:
    return isinstance(node, Split) and (
        node.feature == feature or _asks(node.low, feature) or _asks(node.high, feature)
    )
