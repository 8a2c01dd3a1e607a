"""A search and all that it touches, for the tests of the workbench."""

from dataclasses import dataclass, field

from router.budget import Budget, Ledger
from router.events import Event
from router.ports import Measure, Scorer
from router.search import Search
from router.testing import FakeGenerator, FakeScorer
from router.types import Message, Problem

PROBLEM = Problem((Message("user", "what is it"),))
THREE_STEPS = "one\n\ntwo\n\nthree"


def write(text: str, _seed: int) -> str:
    return THREE_STEPS[len(text) :]


def by_seed(_text: str, seed: int) -> str:
    return f"draw {seed}\n\nso {seed % 7}"


@dataclass
class Bench:
    """A search and all that it touches."""

    generator: FakeGenerator
    scorer: Scorer | None = None
    budget: Budget = field(default_factory=Budget)
    problem: Problem = PROBLEM
    longest: int = 100
    deadline: float | None = None
    seed: int = 0
    events: list[Event] = field(default_factory=list[Event])

    def open(self) -> Search:
        self.ledger = Ledger(self.budget, self.longest)
        measure = Measure(3, self.longest)
        return Search(
            self.problem,
            measure,
            self.ledger,
            self.generator,
            self.scorer,
            longest=self.longest,
            deadline=self.deadline,
            seed=self.seed,
            observe=self.events.append,
        )

    def of(self, kind: type) -> list[Event]:
        return [e for e in self.events if isinstance(e, kind)]


def good() -> FakeScorer:
    return FakeScorer(lambda text: 0.5 + 0.1 * text.count("\n\n"))
