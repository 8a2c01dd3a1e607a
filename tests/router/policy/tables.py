"""Tables made by hand, in which it is known what is best."""

from router.difficulty.prompt import FEATURES
from router.policy.table import EVIDENCE, Cell, Logistic, Option, Split, State, Table
from router.types import Difficulty

PRICES = (0.001, 0.01, 0.1)
HALF = Logistic(0.0, (0.0,) * len(EVIDENCE), (0.0,) * len(EVIDENCE), (1.0,) * len(EVIDENCE))
ESTIMATE = Logistic(0.0, (0.0,) * len(FEATURES), (0.0,) * len(FEATURES), (1.0,) * len(FEATURES))


def option(strategy: str, n: int, gain: float, compute: float, *, more: float = 0.0, m: int = 4) -> Option:
    """`more` is what going on from there adds to its worth."""
    worth = tuple(gain + more - price * compute for price in PRICES)
    return Option(strategy, n, gain, gain - 0.01, gain + 0.01, compute, worth, m)


def cell(*options: Option) -> Cell:
    return Cell(50, 0.5, 0.5, options)


def state(samples: int, *options: Option, judged: bool = False) -> State:
    return State(samples, judged, HALF, 0, (cell(*options),))


def table(*states: State) -> Table:
    return Table(20.0, PRICES, ESTIMATE, states)


def seen(samples: int = 1, *, judged: int = 0, agreement: float = 0.5) -> Difficulty:
    return Difficulty(samples, agreement, 0.5 if judged else None, 0.5, 3, judged=judged)


VOTES = table(
    state(0, option("greedy", 1, 0.4, 1.0, more=0.2), option("majority_voting", 8, 0.5, 8.0)),
    *(state(n, option("majority_voting", 16, 0.2, 16.0 - n), option("weighted_best_of_n", 16, 0.4, 2 * (16.0 - n)))
      for n in (1, 2, 4, 8)),
    state(16, option("weighted_best_of_n", 16, 0.2, 16.0)),
    *(state(n, option("weighted_best_of_n", 16, 0.4, 2 * (16.0 - n)), judged=True) for n in (1, 2, 4, 8)),
    state(16, judged=True),
)  # fmt: skip
"""More votes gain until there are sixteen, and judged ones twice as much for twice the price."""

SPLIT = Split(0, 0.75, Split(9, 0.5, 0, 1), 1)
"""In doubt, with a prompt that looks hard: cell 0; else cell 1."""
