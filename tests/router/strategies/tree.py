"""A tree of steps that is known beforehand, a generator that walks it, and the published searches on it.

`published_beam_search` and `published_dvts` are written from the descriptions of the algorithms (Snell et al. 2024,
section 5.2; Beeching et al. 2024), on bare labels: they share nothing with the router.
"""

import math
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from hashlib import blake2b

from router.aggregation import Reduce
from router.budget import Budget, Ledger
from router.plan import Strategy
from router.ports import Draw, Measure, Tally
from router.search import Search
from router.testing import FakeScorer, run
from router.types import Finish, Message, Problem, Sample

Label = tuple[int, ...]
REDUCE: dict[Reduce, Callable[[list[float]], float]] = {
    Reduce.LAST: lambda r: r[-1],
    Reduce.MINIMUM: min,
    Reduce.PRODUCT: math.prod,
    Reduce.MEAN: lambda r: sum(r) / len(r),
}


def chance(*what: object) -> float:
    """A number in [0, 1) that depends on nothing but its arguments."""
    return int.from_bytes(blake2b(repr(what).encode(), digest_size=6).digest(), "big") / 2**48


@dataclass(frozen=True)
class Tree:
    """Node `label` is the j-th child of the j-th child ...; leaves are at `depth`, or anywhere if `uneven`."""

    salt: int
    depth: int
    uneven: bool = False

    def ends(self, label: Label) -> bool:
        return len(label) >= self.depth or (self.uneven and chance(self.salt, "end", label) < 0.3)

    def reward(self, label: Label) -> float:
        return chance(self.salt, "reward", label)

    def value(self, label: Label, how: Reduce) -> float:
        return REDUCE[how]([self.reward(label[: i + 1]) for i in range(len(label))])

    def whole(self, label: Label) -> Label:
        """The leaf that a sample running on from `label` ends in: always the first child."""
        while not self.ends(label):
            label = (*label, 0)
        return label


def text_of(label: Label) -> str:
    return ".".join(map(str, label))


def label_of(step: str) -> Label:
    return tuple(map(int, step.split(".")))


@dataclass
class TreeGenerator:
    """Walks the tree: the i-th sample ever drawn from a node is its i-th child. One token a step; last first."""

    tree: Tree
    name: str = "tree"
    calls: list[tuple[Label, int, bool]] = field(default_factory=list[tuple[Label, int, bool]])
    drawn: Counter[Label] = field(default_factory=Counter[Label])

    async def measure(self, problem: Problem) -> Measure:
        return Measure(1, 1000)

    async def sample(
        self, draw: Draw, tally: Tally, on_text: Callable[[str], None] | None = None
    ) -> AsyncIterator[tuple[int, Sample]]:
        steps = draw.prefix.text.split("\n\n")
        at = label_of(steps[-2]) if len(steps) > 1 else ()
        first = self.drawn[at]
        self.drawn[at] += draw.count
        self.calls.append((at, draw.count, draw.whole))
        for j in reversed(range(draw.count)):
            tally.tokens += 1
            yield j, self._sample((*at, first + j), whole=draw.whole)

    def _sample(self, label: Label, *, whole: bool) -> Sample:
        end = self.tree.whole(label) if whole else label
        steps = [text_of(end[:i]) for i in range(len(label), len(end) + 1)]
        finish = Finish.EOS if self.tree.ends(end) else Finish.STEP
        text = "\n\n".join(steps) + ("\n\n" if finish is Finish.STEP else "")
        return Sample(text, 1, finish)


def search(
    tree: Tree, strategy: Strategy, how: Reduce, budget: Budget, walker: type[TreeGenerator] = TreeGenerator
) -> tuple[TreeGenerator, Search]:
    """Run `strategy` on `tree`."""
    generator = walker(tree)

    async def main() -> Search:
        scorer = FakeScorer(lambda text: tree.reward(label_of(text.split("\n\n")[-1])))
        problem = Problem((Message("user", "q"),))
        bench = Search(problem, Measure(1, 1000), Ledger(budget, 1000), generator, scorer, longest=1000)
        bench.reduce_by(how)
        await strategy(bench)
        bench.close()
        assert bench.ledger.held == 0
        return bench

    return generator, run(main())


def solutions(bench: Search) -> set[Label]:
    """The leaves a search has finished."""
    return {label_of(c.text.split("\n\n")[-1]) for c in bench.solutions}


@dataclass
class Published:
    """What a published search did: the (node, children) it drew from in each round, and the leaves it completed."""

    rounds: list[Counter[Label]]
    completed: set[Label]


def published_beam_search(tree: Tree, n: int, m: int, rounds: int, how: Reduce, *, compete: bool) -> Published:
    """N beams, one step each; score; keep the best N/M; copy each M times.

    As published, a completed beam leaves the race. With `compete` (the first documented difference) it competes on,
    and holds its place while it is among the best.
    """
    beams: list[Label] = [()] * n
    holding: list[Label] = []
    done = Published([], set())
    drawn = Counter[Label]()
    for i in range(rounds):
        if not beams:
            break
        done.rounds.append(Counter(beams))
        grown = list[Label]()
        for beam in beams:
            child = (*beam, drawn[beam])
            drawn[beam] += 1
            grown.append(tree.whole(child) if i == rounds - 1 else child)
        done.completed |= {b for b in grown if tree.ends(b)}
        pool = holding + grown if compete else [b for b in grown if not tree.ends(b)]
        best = sorted(pool, key=lambda b: -tree.value(b, how))[: n // m]
        holding = [b for b in best if tree.ends(b)]
        alive = [b for b in best if not tree.ends(b)]
        beams = [b for b in alive for _ in range(m)] if compete or len(alive) == n // m else (alive * n)[:n]
    return done


def published_dvts(tree: Tree, n: int, m: int, rounds: int, how: Reduce) -> Published:
    """N/M subtrees; each draws M steps and follows the best one until it ends."""
    done = Published([Counter() for _ in range(rounds)], set())
    for subtree in range(n // m):
        at: Label = ()
        for i in range(rounds):
            done.rounds[i][at] += m
            first = subtree * m if not at else 0
            children = [(*at, first + j) for j in range(m)]
            if i == rounds - 1:
                children = [tree.whole(c) for c in children]
            done.completed |= {c for c in children if tree.ends(c)}
            at = max(children, key=lambda c: tree.value(c, how))
            if tree.ends(at):
                break
    return done
