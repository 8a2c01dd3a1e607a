"""Strategy, plan, policy: what searches, what was chosen, what chooses."""

from dataclasses import dataclass
from typing import ClassVar, Protocol

from .aggregation import Aggregate, Reduce
from .search import Search
from .stopping import Stopping
from .types import Difficulty


class Strategy(Protocol):
    """A way to search: a frozen dataclass of its paper's letters, without state of its own."""

    name: ClassVar[str]
    """The name clients use."""

    @property
    def n(self) -> int:
        """Solution paths it explores; 0 only judges what is there."""
        ...

    async def __call__(self, search: Search, /) -> None:
        """Explore; what it finishes is in `search.solutions`, however it ends."""
        ...


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do for one question.

    Without a strategy there is nothing more to do, and `stopped` says why: "complete" (what was planned has run),
    "agreed" (more would not change the answer), "budget" or "deadline". A `provisional` plan has another after it:
    its text is not the answer yet.

    `stopping` is the rule that ends the search while the plan runs; of a best-of-N it can say nothing, since the most
    valuable solution may always be still to come. `difficulty` is what the policy knows better than it was told.
    """

    strategy: Strategy | None
    aggregate: Aggregate
    reduce: Reduce = Reduce.PRODUCT
    reason: str = ""
    stopped: str = "complete"
    provisional: bool = False
    stopping: Stopping | None = None
    difficulty: Difficulty | None = None

    @property
    def name(self) -> str | None:
        """The strategy's name."""
        return None if self.strategy is None else self.strategy.name

    @property
    def n(self) -> int:
        """Solution paths the strategy explores."""
        return 0 if self.strategy is None else self.strategy.n


@dataclass(frozen=True, slots=True)
class Room:
    """What a policy may plan with: samples, compute and seconds left (None is no bound).

    `verified` says whether there is a scorer. `solutions` have finished in the `elapsed` seconds so far; one as long
    as they are costs `typical` compute with its judgement and `plain` without (None before the first), and one as
    long as may be costs `worst` with its judgement. `unjudged` of the solutions have no value yet.
    """

    samples: int | None
    tokens: int | None
    seconds: float | None
    verified: bool
    solutions: int = 0
    typical: float | None = None
    plain: float | None = None
    worst: int = 0
    elapsed: float = 0.0
    unjudged: int = 0

    def short(self, seconds: float, samples: int) -> bool:
        """Tell whether less is left than `seconds`, or than `samples` judged samples may take at worst.

        Then one whole answer should come first: many at once could all end unfinished.
        """
        hurried = self.seconds is not None and self.seconds < seconds
        return hurried or (self.tokens is not None and self.tokens < samples * self.worst)

    @property
    def shortage(self) -> str:
        """What is missing for one more sample: "budget", "deadline", or "complete" where nothing is or may be."""
        if self.samples == 0:
            return "complete"
        if self.tokens is not None and self.tokens < (self.typical or 0) + self._owed:
            return "budget"
        return "complete" if self.affordable(1) else "deadline"

    def affordable(self, most: int, *, judged: bool = True) -> int:
        """Return how many more samples to start: at most `most`, and at least 1 as long as there is no solution.

        No more than the samples left, than the tokens left pay for at the typical price, and than fit into half
        of the time left at the pace so far, as if many at once were no faster than one after the other. Before more
        are judged, what has finished unjudged is.
        """
        bounds = [most] if self.samples is None else [most, self.samples]
        price = self.typical if judged else self.plain
        if self.tokens is not None and price:
            bounds.append(int((self.tokens - (self._owed if judged else 0.0)) / price))
        if self.seconds is not None and self.elapsed > 0 and self.solutions:
            bounds.append(int(self.solutions * self.seconds / self.elapsed / 2))
        return max(0 if self.solutions else 1, min(bounds))

    @property
    def _owed(self) -> float:
        """What judging the solutions without a value takes, before others are judged."""
        return self.unjudged * ((self.typical or 0.0) - (self.plain or self.typical or 0.0))


class Policy(Protocol):
    """Chooses how to think, again after every round. Synchronous and pure: a function of what it is told."""

    def probe(self, room: Room) -> int:
        """Return how many samples to draw before planning; 0 to plan at once."""
        ...

    def plan(self, difficulty: Difficulty | None, room: Room) -> Plan:
        """Return the next plan; `difficulty` is what the solutions so far show, None before the first."""
        ...
