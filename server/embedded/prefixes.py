"""Remembers the keys and values of token sequences in a radix tree, so that no common beginning is computed twice.

After RadixAttention (Zheng et al. 2023, SGLang, arXiv 2312.07104), with the least recently used leaves evicted.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from .checkpoint import Floats


@dataclass(slots=True, eq=False)
class _Node:
    """An edge of the tree: some tokens, what the model computed for them, and what may follow.

    `keys` and `values` are (layers, kv_heads, tokens, head_dim). `logprobs` has nan where it is unknown.
    """

    tokens: tuple[int, ...]
    keys: Floats
    values: Floats
    logprobs: Floats
    parent: "_Node | None"
    used: int = 0
    children: "dict[int, _Node]" = field(default_factory=dict[int, "_Node"])

    @property
    def nbytes(self) -> int:
        # The constant stands for the Python objects of a node; a token in a tuple takes 8 bytes.
        return self.keys.nbytes + self.values.nbytes + self.logprobs.nbytes + 8 * len(self.tokens) + 1000


class PrefixTree:
    """A cache of token sequences, of at most `limit` bytes. For the use of one thread."""

    def __init__(self, limit: int) -> None:
        empty = np.zeros((0, 0, 0, 0), np.float32)
        self._root = _Node((), empty, empty, np.zeros(0, np.float32), None)
        self._limit = limit
        self._clock = 0
        self.nbytes = 0

    def read(self, tokens: Sequence[int], keys: Floats, values: Floats) -> tuple[int, Floats]:
        """Fill `keys` and `values` (layers, kv_heads, >= len(tokens), head_dim) with the longest beginning known.

        Returns its length n and the log-probabilities (n,) of its tokens, nan where unknown.
        """
        known, parts = 0, [self._root.logprobs]
        for node, count in self._walk(tuple(tokens)):
            keys[:, :, known : known + count] = node.keys[:, :, :count]
            values[:, :, known : known + count] = node.values[:, :, :count]
            parts.append(node.logprobs[:count])
            known += count
        return known, np.concatenate(parts)

    def known(self, tokens: Sequence[int]) -> int:
        """Return how many of the first tokens are in the cache."""
        return sum(count for _, count in self._walk(tuple(tokens)))

    def insert(self, tokens: Sequence[int], keys: Floats, values: Floats, logprobs: Floats) -> None:
        """Remember `tokens`; the arrays have one entry per token (keys and values on their third axis)."""
        tokens = tuple(tokens)
        node, known, matched = self._root, 0, 0
        for node, matched in self._walk(tokens):  # noqa: B007 - the last ones are used below
            known += matched
        if known == len(tokens):
            return
        if matched < len(node.tokens):
            self._split(node, matched)
        rest = slice(known, len(tokens))
        leaf = _Node(
            tokens[known:], keys[:, :, rest].copy(), values[:, :, rest].copy(), logprobs[rest].copy(), node, self._clock
        )
        node.children[leaf.tokens[0]] = leaf
        self.nbytes += leaf.nbytes
        if self.nbytes > self._limit:
            self._evict()

    def clear(self) -> None:
        """Forget everything."""
        self._root.children.clear()
        self.nbytes = 0

    def _walk(self, tokens: tuple[int, ...]) -> Iterator[tuple[_Node, int]]:
        """Follow `tokens` from the root: each node on the way and how many of its tokens match."""
        self._clock += 1
        node, position = self._root, 0
        while position < len(tokens):
            child = node.children.get(tokens[position])
            if child is None:
                return
            count = _common(child.tokens, tokens[position : position + len(child.tokens)])
            child.used = self._clock
            yield child, count
            if count < len(child.tokens):
                return
            node, position = child, position + count

    def _split(self, node: _Node, count: int) -> None:
        """Keep the first `count` tokens in `node` and move the others to a new child of it."""
        self.nbytes -= node.nbytes
        tail = _Node(
            node.tokens[count:],
            node.keys[:, :, count:].copy(),
            node.values[:, :, count:].copy(),
            node.logprobs[count:].copy(),
            node,
            node.used,
            node.children,
        )
        for child in tail.children.values():
            child.parent = tail
        node.tokens, node.logprobs = node.tokens[:count], node.logprobs[:count].copy()
        node.keys, node.values = node.keys[:, :, :count].copy(), node.values[:, :, :count].copy()
        node.children = {tail.tokens[0]: tail}
        self.nbytes += node.nbytes + tail.nbytes

    def _evict(self) -> None:
        """Drop leaves, the least recently used first, until a tenth of the limit is free again."""
        while self.nbytes > self._limit * 9 // 10 and self._root.children:
            for leaf in sorted(self._leaves(), key=lambda node: node.used):
                if self.nbytes <= self._limit * 9 // 10:
                    return
                if leaf.parent is not None:
                    del leaf.parent.children[leaf.tokens[0]]
                self.nbytes -= leaf.nbytes

    def _leaves(self) -> list[_Node]:
        leaves: list[_Node] = []
        open_nodes = list(self._root.children.values())
        while open_nodes:
            node = open_nodes.pop()
            open_nodes.extend(node.children.values())
            if not node.children:
                leaves.append(node)
        return leaves


def _common(a: tuple[int, ...], b: tuple[int, ...]) -> int:
    """Return the length of the common beginning."""
    if a == b:
        return len(a)
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
