from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.aggregation import Reduce
from router.budget import Budget
from router.strategies.beam_search import BeamSearch

from .tree import Label, Tree, TreeGenerator, published_beam_search, search, solutions

SIZES = st.sampled_from([(4, 4), (4, 2), (8, 4), (8, 2), (16, 4), (3, 1), (1, 1)])


def rounds_of(generator: TreeGenerator) -> list[Counter[Label]]:
    """What was drawn in each round: a beam is as deep as the round, and beams of one round are drawn together."""
    rounds = list[Counter[Label]]()
    for at, count, _whole in generator.calls:
        if len(at) == len(rounds):
            rounds.append(Counter())
        rounds[len(at)][at] += count
    return rounds


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), SIZES, st.integers(1, 5), st.sampled_from(Reduce), st.booleans())
def test_where_all_paths_are_equally_long_it_is_the_published_beam_search(
    salt: int, size: tuple[int, int], depth: int, how: Reduce, bounded: bool
):
    n, m = size
    tree = Tree(salt, depth)
    budget = Budget(samples=n) if bounded else Budget()
    generator, bench = search(tree, BeamSearch(n, m), how, budget)
    published = published_beam_search(tree, n, m, 40, how, compete=False)
    assert rounds_of(generator) == published.rounds
    assert solutions(bench) == published.completed
    assert len(bench.solutions) == n == len(published.completed)
    assert bench.ledger.spent.tokens == n * depth
    assert bench.ledger.spent.samples == n


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 10**6), SIZES, st.integers(1, 6), st.sampled_from(Reduce))
def test_where_paths_end_anywhere_finished_beams_compete_for_their_place(
    salt: int, size: tuple[int, int], depth: int, how: Reduce
):
    n, m = size
    tree = Tree(salt, depth, uneven=True)
    generator, bench = search(tree, BeamSearch(n, m), how, Budget())
    published = published_beam_search(tree, n, m, 40, how, compete=True)
    assert rounds_of(generator) == published.rounds
    assert solutions(bench) == published.completed
    assert len(bench.solutions) == len(published.completed)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), SIZES, st.integers(1, 4), st.booleans())
def test_the_last_round_runs_to_the_end_of_the_answer(salt: int, size: tuple[int, int], rounds: int, uneven: bool):
    n, m = size
    tree = Tree(salt, 7, uneven=uneven)
    generator, bench = search(tree, BeamSearch(n, m, rounds), Reduce.LAST, Budget())
    published = published_beam_search(tree, n, m, rounds, Reduce.LAST, compete=True)
    assert rounds_of(generator) == published.rounds
    assert solutions(bench) == published.completed
    assert all(whole == (len(at) == rounds - 1) for at, _, whole in generator.calls)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), SIZES, st.integers(1, 6))
def test_the_budget_of_samples_is_kept_and_the_best_paths_get_them(salt: int, size: tuple[int, int], depth: int):
    n, m = size
    tree = Tree(salt, depth, uneven=True)
    generator, bench = search(tree, BeamSearch(n, m), Reduce.PRODUCT, Budget(samples=n))
    assert 1 <= len(bench.solutions) <= bench.ledger.spent.samples <= n
    assert rounds_of(generator)[0] == Counter({(): n})
    assert bench.stopped is None


def test_a_vote_is_never_counted_twice():
    tree = next(t for t in (Tree(s, 3, uneven=True) for s in range(1000)) if t.ends((0,)) and not t.ends((1,)))
    _, bench = search(tree, BeamSearch(4, 2), Reduce.LAST, Budget(samples=4))
    paths = [c.path for c in bench.solutions]
    assert len(paths) == len(set(paths)) <= 4


def test_a_sibling_that_finished_stays_a_solution_though_it_is_not_kept():
    tree = next(
        t
        for t in (Tree(s, 3, uneven=True) for s in range(10_000))
        if t.ends((0,)) and not t.ends((1,)) and t.reward((0,)) < t.reward((1,))
    )
    _, bench = search(tree, BeamSearch(2, 2), Reduce.LAST, Budget())
    assert (0,) in solutions(bench)
    assert any(leaf[0] == 1 for leaf in solutions(bench))


def test_a_finished_beam_that_is_the_best_ends_the_search_of_width_one():
    tree = next(
        t
        for t in (Tree(s, 3, uneven=True) for s in range(10_000))
        if t.ends((0,)) and not t.ends((1,)) and t.reward((0,)) > t.reward((1,))
    )
    generator, bench = search(tree, BeamSearch(2, 2), Reduce.LAST, Budget())
    assert generator.calls == [((), 2, False)]
    assert solutions(bench) == {(0,)}


@pytest.mark.parametrize("m", [1, 4, 9])
def test_one_path_is_followed_to_its_end(m: int):
    generator, bench = search(Tree(1, 4), BeamSearch(1, m), Reduce.LAST, Budget(samples=1))
    assert [call[:2] for call in generator.calls] == [((0,) * i, 1) for i in range(4)]
    assert len(bench.solutions) == 1
