"""Strategies by name: the only place where text becomes a strategy."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from ..aggregation import Aggregate
from ..plan import Plan, Strategy
from ..strategies.beam_search import BeamSearch
from ..strategies.best_of_n import BestOfN, WeightedBestOfN
from ..strategies.dvts import DVTS
from ..strategies.greedy import Greedy
from ..strategies.majority_voting import MajorityVoting


@dataclass(frozen=True, slots=True)
class Entry:
    """A strategy as clients see it. `verified` strategies need a scorer."""

    name: str
    title: str
    paper: str
    summary: str
    aggregate: Aggregate
    verified: bool
    build: Callable[[int, int], Strategy]
    """From n (paths) and m (branching)."""
    least: int = 1
    """The fewest paths that make sense; with 0 it judges the solutions that are there."""


_ENTRIES = (
    Entry(
        "greedy",
        "Greedy decoding",
        "the baseline",
        "One solution, at temperature 0 unless the client names one.",
        Aggregate.MAJORITY,
        verified=False,
        build=lambda _n, _m: Greedy(),
    ),
    Entry(
        "majority_voting",
        "Self-consistency (majority voting)",
        "Wang et al. 2022, arXiv:2203.11171",
        "N independent solutions; the commonest answer.",
        Aggregate.MAJORITY,
        verified=False,
        build=lambda n, _m: MajorityVoting(n),
    ),
    Entry(
        "best_of_n",
        "Best-of-N",
        "Cobbe et al. 2021, arXiv:2110.14168",
        "N independent solutions; the one the scorer values most.",
        Aggregate.BEST_OF_N,
        verified=True,
        build=lambda n, _m: BestOfN(n),
        least=0,
    ),
    Entry(
        "weighted_best_of_n",
        "Weighted best-of-N",
        "Li et al. 2022, arXiv:2206.02336",
        "N independent solutions; the answer with the largest sum of values.",
        Aggregate.WEIGHTED_MAJORITY,
        verified=True,
        build=lambda n, _m: WeightedBestOfN(n),
        least=0,
    ),
    Entry(
        "beam_search",
        "PRM beam search",
        "Snell et al. 2024, arXiv:2408.03314",
        "N beams; after each step the best N/M are kept and each branches into M.",
        Aggregate.WEIGHTED_MAJORITY,
        verified=True,
        build=BeamSearch,
    ),
    Entry(
        "dvts",
        "Diverse verifier tree search",
        "Beeching et al. 2024, Hugging Face",
        "N/M independent subtrees; each follows the best of M next steps.",
        Aggregate.WEIGHTED_MAJORITY,
        verified=True,
        build=DVTS,
    ),
)

STRATEGIES: Mapping[str, Entry] = MappingProxyType({entry.name: entry for entry in _ENTRIES})
"""Every strategy, by the name clients use."""

TREES = ("beam_search", "dvts")
"""Strategies that search step by step: a tree runs whole or not at all."""


def plan_for(name: str, n: int, m: int = 4, reason: str = "") -> Plan:
    """Return the plan that runs the strategy called `name` with `n` paths. Raises KeyError."""
    entry = STRATEGIES[name]
    return Plan(entry.build(max(entry.least, n), m), entry.aggregate, reason=reason)
