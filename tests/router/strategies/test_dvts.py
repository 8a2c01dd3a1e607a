from collections import Counter
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.aggregation import Reduce
from router.budget import Budget, Ledger
from router.ports import Measure
from router.search import Search
from router.strategies.dvts import DVTS
from router.testing import FakeGenerator, FakeScorer, run
from router.types import Finish, Message, Problem, Sample

from .tree import Label, Tree, TreeGenerator, chance, published_dvts, search, solutions, text_of

SIZES = st.sampled_from([(4, 4), (4, 2), (8, 4), (8, 2), (16, 4), (3, 1), (1, 1)])


def drawn(generator: TreeGenerator) -> Counter[Label]:
    total = Counter[Label]()
    for at, count, _whole in generator.calls:
        total[at] += count
    return total


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), SIZES, st.integers(1, 5), st.sampled_from(Reduce), st.booleans())
def test_where_all_paths_are_equally_long_it_is_the_published_tree_search(
    salt: int, size: tuple[int, int], depth: int, how: Reduce, bounded: bool
):
    n, m = size
    tree = Tree(salt, depth)
    generator, bench = search(tree, DVTS(n, m), how, Budget(samples=n) if bounded else Budget())
    published = published_dvts(tree, n, m, 40, how)
    assert drawn(generator) == sum(published.rounds, Counter())
    assert solutions(bench) == published.completed
    assert len(bench.solutions) == n
    assert bench.ledger.spent.tokens == n * depth


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 10**6), SIZES, st.integers(1, 6), st.sampled_from(Reduce), st.integers(1, 6))
def test_where_paths_end_anywhere_each_subtree_follows_its_best_step(
    salt: int, size: tuple[int, int], depth: int, how: Reduce, rounds: int
):
    n, m = size
    tree = Tree(salt, depth, uneven=True)
    generator, bench = search(tree, DVTS(n, m, rounds), how, Budget())
    published = published_dvts(tree, n, m, rounds, how)
    assert drawn(generator) == sum(published.rounds, Counter())
    assert solutions(bench) == published.completed


@dataclass(frozen=True)
class Changed(Tree):
    """The same tree, but everything below the children of the second subtree is different."""

    def reward(self, label: Label) -> float:
        return chance("changed", label) if label[0] >= 4 else super().reward(label)

    def ends(self, label: Label) -> bool:
        return chance("changed end", label) < 0.5 if label and label[0] >= 4 else super().ends(label)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6))
def test_subtrees_never_look_at_each_other(salt: int):
    plain, _ = search(Tree(salt, 5, uneven=True), DVTS(8, 4), Reduce.LAST, Budget())
    other, _ = search(Changed(salt, 5, uneven=True), DVTS(8, 4), Reduce.LAST, Budget())
    first = [[call for call in g.calls if call[0] and call[0][0] < 4] for g in (plain, other)]
    assert first[0] == first[1]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), SIZES, st.integers(1, 6))
def test_the_budget_of_samples_is_kept(salt: int, size: tuple[int, int], depth: int):
    n, m = size
    _, bench = search(Tree(salt, depth, uneven=True), DVTS(n, m), Reduce.PRODUCT, Budget(samples=n))
    assert 1 <= len(bench.solutions) <= bench.ledger.spent.samples <= n


def test_fewer_paths_than_branches_are_one_subtree():
    generator, _ = search(Tree(1, 3), DVTS(2, 4), Reduce.LAST, Budget(samples=2))
    assert [count for _, count, _ in generator.calls] == [2, 2, 2]


@pytest.mark.parametrize("lose", [4, 0])
def test_a_subtree_of_which_nothing_came_is_not_asked_for_again_and_again(lose: int):
    generator = FakeGenerator(lambda _text, _seed: "a\n\nb", lose=lose, fail=lose == 0)

    async def main() -> Search:
        problem = Problem((Message("user", "q"),))
        scorer = FakeScorer(lambda _t: 0.5)
        bench = Search(problem, Measure(1, 99), Ledger(Budget(samples=8), 99), generator, scorer, longest=99)
        await DVTS(8)(bench)
        return bench

    bench = run(main())
    assert (len(generator.draws), bench.lost, bench.solutions) == (2, 8, [])
    assert bench.ledger.spent.samples == 0


def test_a_backend_that_never_ends_an_answer_does_not_hold_the_search_forever():
    class Endless(TreeGenerator):
        def _sample(self, label: Label, *, whole: bool) -> Sample:
            return Sample(text_of(label) + "\n\n", 1, Finish.STEP)

    generator, bench = search(Tree(1, 3), DVTS(4, 2, rounds=5), Reduce.LAST, Budget(), Endless)
    assert len(generator.calls) == 2 * 5
    assert (bench.solutions, len(bench.unfinished)) == ([], 2)
