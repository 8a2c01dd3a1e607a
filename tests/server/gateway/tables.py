"""A calibration made by hand: what the first solution shows decides nothing, and more solutions gain what is said."""

from router.difficulty.prompt import FEATURES
from router.policy.table import EVIDENCE, Cell, Logistic, Option, State, Table
from server.gateway import Calibration

PRICES = (0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.02, 0.25, 1.0)


def flat(bias: float, features: int) -> Logistic:
    """The same probability for everything."""
    return Logistic(bias, (0.0,) * features, (0.0,) * features, (1.0,) * features)


def table(gain: float = 0.03) -> Table:
    """Four solutions gain `gain` over one, for the price of three; more than four gain nothing."""
    pass_rate, nothing = flat(1.0, len(EVIDENCE)), Cell(100, 0.7, 0.7, ())
    worth = tuple(gain - 3.0 * price for price in PRICES)
    voting = Cell(100, 0.7, 0.7, (Option("majority_voting", 4, gain, 0.0, 2 * gain, 3.0, worth),))
    cells = {(1, False): voting, (2, False): voting, (4, False): nothing, (1, True): nothing}
    states = tuple(State(n, judged, pass_rate, 0, (cell,)) for (n, judged), cell in cells.items())
    return Table(unit=16.0, prices=PRICES, estimate=flat(0.0, len(FEATURES)), states=states)


def calibration(gain: float = 0.03, *, transferred: bool = False) -> Calibration:
    """The table as if it were a file's."""
    return Calibration(table(gain), "0123456789abcdef", "2026-11-23T20:00:00Z", "by hand", transferred)
