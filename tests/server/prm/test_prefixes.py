from dataclasses import dataclass
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from server.prm.prefixes import PrefixTree

SEQUENCES = st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=12), min_size=1, max_size=20)


@dataclass
class Letters:
    """A block that simply holds the tokens it is for."""

    tokens: tuple[int, ...]

    def cut(self, start: int, stop: int) -> "Letters":
        return Letters(self.tokens[start:stop])


def fill(tree: PrefixTree[Letters], tokens: list[int]) -> int:
    new = tree.insert(tokens)
    for node in tree.path(tokens):
        node.block = node.block or Letters(node.tokens)
    return new


@settings(deadline=None)
@given(SEQUENCES)
def test_each_distinct_beginning_is_new_once(sequences: list[list[int]]) -> None:
    tree, seen = PrefixTree[Letters](10_000), set[tuple[int, ...]]()
    for tokens in sequences:
        beginnings = {tuple(tokens[: i + 1]) for i in range(len(tokens))}
        assert tree.known(tokens) == len(beginnings & seen)
        assert tree.insert(tokens) == len(beginnings - seen)
        seen |= beginnings
    assert tree.tokens == len(seen)


@settings(deadline=None)
@given(SEQUENCES)
def test_the_blocks_on_a_path_are_those_of_its_tokens(sequences: list[list[int]]) -> None:
    tree = PrefixTree[Letters](10_000)
    for tokens in sequences:
        fill(tree, tokens)
    for tokens in sequences:
        path = tree.path(tokens)
        assert [token for node in path for token in node.tokens] == tokens
        assert all(node.block is not None and node.block.tokens == node.tokens for node in path)
        assert all(child.parent is node for node, child in pairwise(path))


@settings(deadline=None)
@given(SEQUENCES, st.integers(0, 12))
def test_a_trimmed_tree_holds_no_more_than_its_limit(sequences: list[list[int]], limit: int) -> None:
    tree = PrefixTree[Letters](limit)
    for tokens in sequences:
        fill(tree, tokens)
        tree.trim()
        assert tree.tokens <= limit
        assert tree.known(tokens) <= limit


def test_the_least_recently_used_goes_first() -> None:
    tree = PrefixTree[Letters](6)
    for tokens in ([1, 1, 1], [2, 2, 2], [1, 1, 1], [3, 3, 3]):
        fill(tree, tokens)
        tree.trim()
    assert [tree.known(tokens) for tokens in ([1, 1, 1], [2, 2, 2], [3, 3, 3])] == [3, 0, 3]


def test_a_beginning_is_kept_as_long_as_what_follows_it() -> None:
    tree = PrefixTree[Letters](5)
    fill(tree, [1, 2, 3])
    fill(tree, [1, 2, 4])
    fill(tree, [1, 2, 5])
    tree.trim()
    assert tree.known([1, 2, 5]) == 3
    assert tree.known([1, 2, 3]) == 3 or tree.known([1, 2, 4]) == 3
    assert tree.tokens == 4 or tree.tokens == 5


def test_a_cleared_tree_knows_nothing() -> None:
    tree = PrefixTree[Letters](10)
    fill(tree, [1, 2])
    tree.clear()
    assert (tree.tokens, tree.known([1, 2])) == (0, 0)
