"""When to stop: one rule for every strategy. Go on while more compute is expected to be worth its price.

A rule is a `Gain` (what further solutions are expected to add to the accuracy) and a price of compute. The two gains
here are special cases that need no calibration: a vote that is decided, and a leader that will hardly be overtaken.
"""

from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from math import exp, lgamma, log

from .aggregation import Aggregate
from .equality import Equivalence
from .extraction import stated
from .types import Candidate

_ROUNDING = 1e-9
"""Sums of values differ by less than this, whatever order they are taken in."""


class Agreed(Exception):
    """More solutions would not be worth what they take. Raised inside a search, so that all of it is cancelled."""


class Standing:
    """The votes so far, as `aggregate` counts them: by number, or with `valued` by the values of the solutions."""

    def __init__(self, *, valued: bool = False) -> None:
        self.valued = valued
        self.solutions = 0
        """Solutions counted, with those that state no answer."""
        self.leader = 0.0
        """Weight of the answer in front."""
        self.runner_up = 0.0
        """Weight of the second; 0.0 where there is none."""
        self._first: Hashable = None
        self._weights = dict[Hashable, float]()

    def add(self, candidate: Candidate, key: Hashable | None) -> None:
        """Count one solution; `key` identifies its answer, None where it states none. In constant time."""
        self.solutions += 1
        if key is None:
            return
        worth = (candidate.value or 0.0) if self.valued else 1.0
        weight = self._weights[key] = self._weights.get(key, 0.0) + worth
        if key == self._first:
            self.leader = weight
        elif weight > self.leader:
            self._first, self.leader, self.runner_up = key, weight, self.leader
        else:  # weights only grow: whoever is second now was at most second before
            self.runner_up = max(self.runner_up, weight)


Gain = Callable[[Standing, int], float]
"""The accuracy that at most so many further solutions are expected to add, in [0, 1]."""


def decided(standing: Standing, more: int) -> float:
    """Return 0.0 where no `more` solutions of weight 1 at most can change the answer, else 1.0: no bound at all.

    A tie decides nothing: it goes to the answer with the better solution, or the earlier path, which may come last.
    """
    return 0.0 if more < 1 or standing.leader - standing.runner_up > more + _ROUNDING else 1.0


def overtaken(standing: Standing, _more: int) -> float:
    """Return the probability that in the long run the second answer is commoner than the first.

    The Beta posterior of Adaptive-Consistency (Aggarwal et al. 2023, arXiv:2305.11860, section 3): with v1 and v2 votes
    for the two, the regularised incomplete beta function I_1/2(v1 + 1, v2 + 1).
    """
    return _below_half(standing.leader + 1.0, standing.runner_up + 1.0)


@lru_cache(4096)  # a rule asks for one standing again and again
def _below_half(a: float, b: float) -> float:
    """Return I_1/2(a, b), the regularised incomplete beta function, for a and b of at least 1."""
    # the hypergeometric series of DLMF 8.17.8: all its terms are positive, and in the end each is half the last
    term, total, i = 1.0, 1.0, 0
    while term > 1e-16 * total:
        term *= (a + b + i) / (a + 1.0 + i) / 2.0
        total += term
        i += 1
    return min(1.0, exp(lgamma(a + b) - lgamma(a + 1.0) - lgamma(b) - (a + b) * log(2.0)) * total)


@dataclass(frozen=True, slots=True)
class Stopping:
    """Stop where nothing that is still to come gains more than `price` for each unit of its compute.

    `price` is in accuracy per generator-token equivalent. With `decided` and a price of 0 it is a vote that is decided;
    with `overtaken` and a price of 1 - C for one solution it is Adaptive-Consistency at the confidence C. Never with
    fewer solutions than `least`. `later` paths may come in plans after this one.
    """

    gain: Gain
    price: float = 0.0
    least: int = 0
    later: int = 0

    def enough(self, standing: Standing, more: int, compute_each: float) -> bool:
        """Tell whether no part of the `more` solutions still to come is worth it, at so much compute for each."""
        cost = self.price * compute_each
        return standing.solutions >= self.least and not any(self.gain(standing, k) > cost * k for k in _parts(more))


class Watch:
    """A rule at work on one plan: the votes counted so far, and how many may still come.

    Up to `expected` solutions are there at the end. With `valued` a solution counts once it has been judged: until
    then it may still come to weigh anything.
    """

    def __init__(self, stopping: Stopping, expected: int, equivalence: Equivalence, *, valued: bool) -> None:
        self._stopping = stopping
        self._expected = expected + stopping.later
        self._equivalence = equivalence
        self._standing = Standing(valued=valued)
        self._counted = set[tuple[int, ...]]()

    def count(self, solution: Candidate) -> bool:
        """Count a solution, once; tell whether that has changed anything."""
        if solution.path in self._counted or (self._standing.valued and solution.value is None):
            return False
        self._counted.add(solution.path)
        answer = stated(solution)
        self._standing.add(solution, None if answer is None else self._equivalence(answer))
        return True

    def enough(self, compute_each: float) -> bool:
        """Tell whether something is still to come, and not worth it."""
        more = self._expected - self._standing.solutions
        return more > 0 and self._stopping.enough(self._standing, more, compute_each)


def watch(
    stopping: Stopping | None, how: Aggregate, expected: int, equivalence: Equivalence, *, valued: bool
) -> Watch | None:
    """Return the rule at work on a plan that aggregates in this way; `valued` where its solutions have values.

    None for best-of-N: the most valuable solution may always be still to come.
    """
    if stopping is None or how is Aggregate.BEST_OF_N:
        return None
    return Watch(stopping, expected, equivalence, valued=valued and how is not Aggregate.MAJORITY)


def _parts(more: int) -> Iterator[int]:
    """All of them, which mostly settles it, then 1, 2, 4 and so on."""
    if more > 0:
        yield more
    k = 1
    while k < more:
        yield k
        k *= 2
