"""Remembers what a model computed for token sequences in a radix tree: a common beginning is computed once.

After RadixAttention (Zheng et al. 2023, SGLang, arXiv 2312.07104), with the least recently used leaves evicted. It
knows nothing of tensors: a branch carries a block that can be cut.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, Self, TypeVar


class Block(Protocol):
    """What was computed for some consecutive tokens."""

    def cut(self, start: int, stop: int) -> Self:
        """Return the part for the tokens `start` to `stop`, which keeps nothing else in memory."""
        ...


B = TypeVar("B", bound=Block)


@dataclass(slots=True, eq=False)
class Branch(Generic[B]):
    """Some tokens, and what may follow them. `block` is None until they are computed."""

    tokens: tuple[int, ...]
    parent: "Branch[B] | None"
    block: B | None = None
    used: int = 0
    children: "dict[int, Branch[B]]" = field(default_factory=dict[int, "Branch[B]"])


class PrefixTree(Generic[B]):
    """Token sequences and their blocks; after `trim`, at most `limit` tokens. For the use of one thread."""

    def __init__(self, limit: int) -> None:
        self._root = Branch[B]((), None)
        self._limit, self._clock = limit, 0
        self.tokens = 0
        """How many it holds."""

    def insert(self, tokens: Sequence[int]) -> int:
        """Make room for a sequence and return how many of its tokens are new; their branch has no block yet."""
        node, known, matched = self._root, 0, 0
        for node, matched in self._walk(tuple(tokens)):  # noqa: B007 - the last ones are used below
            known += matched
        new = tuple(tokens[known:])
        if not new:
            return self._end_at(node, matched)
        if matched < len(node.tokens):
            self._split(node, matched)
        node.children[new[0]] = Branch(new, node, used=self._clock)
        self.tokens += len(new)
        return len(new)

    def known(self, tokens: Sequence[int]) -> int:
        """Return how many of the first tokens it holds."""
        return sum(matched for _, matched in self._walk(tuple(tokens)))

    def path(self, tokens: Sequence[int]) -> list[Branch[B]]:
        """Return the branches that an inserted sequence is made of, from its beginning to its end."""
        return [node for node, _ in self._walk(tuple(tokens))]

    def trim(self) -> None:
        """Drop leaves, the least recently used first, until the limit holds."""
        while self.tokens > self._limit:
            leaves = [node for node in self._branches() if not node.children]
            for leaf in sorted(leaves, key=lambda node: node.used):
                if self.tokens <= self._limit:
                    return
                self._drop(leaf)

    def clear(self) -> None:
        """Forget everything, and free it now: branches and their parents hold each other."""
        for node in self._branches():
            node.block, node.parent, node.children = None, None, {}
        self._root.children = {}
        self.tokens = 0

    def _walk(self, tokens: tuple[int, ...]) -> Iterator[tuple[Branch[B], int]]:
        """Follow `tokens` from the root: each branch on the way and how many of its tokens match."""
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

    def _end_at(self, node: Branch[B], matched: int) -> int:
        """Let a known sequence end at the end of a branch."""
        if matched < len(node.tokens):
            self._split(node, matched)
        return 0

    def _split(self, node: Branch[B], count: int) -> None:
        """Keep the first `count` tokens in `node` and move the others to a new child of it."""
        tail = Branch(node.tokens[count:], node, used=node.used, children=node.children)
        for child in tail.children.values():
            child.parent = tail
        if node.block is not None:
            tail.block = node.block.cut(count, len(node.tokens))
            node.block = node.block.cut(0, count)
        node.tokens, node.children = node.tokens[:count], {tail.tokens[0]: tail}

    def _drop(self, leaf: Branch[B]) -> None:
        del (leaf.parent or self._root).children[leaf.tokens[0]]
        self.tokens -= len(leaf.tokens)

    def _branches(self) -> list[Branch[B]]:
        found = list(self._root.children.values())
        for node in found:  # it grows meanwhile
            found.extend(node.children.values())
        return found


def _common(a: tuple[int, ...], b: tuple[int, ...]) -> int:
    """Return the length of the common beginning."""
    if a == b:
        return len(a)
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
