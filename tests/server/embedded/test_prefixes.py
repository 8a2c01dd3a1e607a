from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from server.embedded.prefixes import PrefixTree

LAYERS, HEADS, WIDTH = 2, 1, 3


def computed(tokens: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """Keys that depend on all tokens so far, as a model's do; and log-probabilities that do as well."""
    history = np.cumsum([(token + 1) * (i + 1) for i, token in enumerate(tokens)]).astype(np.float32)
    keys = np.broadcast_to(history[None, None, :, None], (LAYERS, HEADS, len(tokens), WIDTH))
    return keys.copy(), -history


def insert(tree: PrefixTree, tokens: Sequence[int]) -> None:
    keys, logprobs = computed(tokens)
    tree.insert(tuple(tokens), keys, keys + 0.5, logprobs)


def read(tree: PrefixTree, tokens: Sequence[int]) -> int:
    """Read, check that what was read is what the model would compute, and return its length."""
    keys = np.zeros((LAYERS, HEADS, len(tokens) + 1, WIDTH), np.float32)
    values = np.zeros_like(keys)
    known, logprobs = tree.read(tuple(tokens), keys, values)
    expected, expected_logprobs = computed(tokens[:known])
    np.testing.assert_array_equal(keys[:, :, :known], expected)
    np.testing.assert_array_equal(values[:, :, :known], expected + 0.5)
    np.testing.assert_array_equal(logprobs, expected_logprobs)
    return known


def common(a: Sequence[int], b: Sequence[int]) -> int:
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


sequences = st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=8), min_size=1, max_size=20)


@given(sequences, st.lists(st.integers(0, 2), max_size=9))
def test_the_longest_known_beginning_is_found_and_right(inserted: list[list[int]], asked: list[int]):
    tree = PrefixTree(10**9)
    for tokens in inserted:
        insert(tree, tokens)
    longest = max(common(tokens, asked) for tokens in inserted)
    assert tree.known(asked) == longest
    assert read(tree, asked) == longest


@given(sequences, st.integers(0, 20_000))
def test_the_bytes_are_bounded_and_what_stays_is_right(inserted: list[list[int]], limit: int):
    tree = PrefixTree(limit)
    for tokens in inserted:
        insert(tree, tokens)
        assert tree.nbytes <= limit
    for tokens in inserted:
        read(tree, tokens)


def test_the_least_recently_used_goes_first():
    tree = PrefixTree(10**9)
    insert(tree, (1,) * 20)
    small = tree.nbytes
    tree = PrefixTree(small * 5 // 2)
    insert(tree, (1,) * 20)
    insert(tree, (2,) * 20)
    assert tree.known((1,) * 20) == 20
    insert(tree, (3,) * 20)
    assert [tree.known((token,) * 20) for token in (1, 2, 3)] == [20, 0, 20]


def test_a_beginning_outlives_what_follows_it():
    tree = PrefixTree(10**9)
    insert(tree, (1, 2, 3))
    one = tree.nbytes
    insert(tree, (1, 2, 3, 4))
    tree_limit = PrefixTree(one * 3 // 2 * 10 // 9)
    insert(tree_limit, (1, 2, 3))
    insert(tree_limit, (1, 2, 3, 4))
    assert tree_limit.known((1, 2, 3, 4)) == 3


def test_cleared_means_empty():
    tree = PrefixTree(10**9)
    insert(tree, (1, 2, 3))
    tree.clear()
    assert tree.nbytes == 0
    assert read(tree, (1, 2, 3)) == 0
