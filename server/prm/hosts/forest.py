"""Runs a decoder over a forest of token sequences in one pass: no padding, and no common beginning twice.

All new branches stand one behind the other; a mask lets each token see its own path only, and its position is its
depth. This is the tree attention of SpecInfer (Miao et al. 2023, arXiv 2305.09781), for judging instead of drafting.
"""

# torch and transformers leave many of their types open.
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache

from ..ports import Passage
from ..prefixes import Branch
from .heads import Readout


@dataclass(slots=True)
class States:
    """What a decoder computed for some tokens.

    `attention` (layers, 2, heads, tokens, size) are keys and values, `hidden` (tokens, hidden) the last hidden states,
    `values` (tokens, width) what was read, NaN where nothing was; these are always in main memory.
    """

    attention: Tensor
    hidden: Tensor
    values: Tensor

    @property
    def bytes(self) -> int:
        """What it takes of the device's memory."""
        return self.attention.nbytes + self.hidden.nbytes

    def cut(self, start: int, stop: int) -> "States":
        """Return a copy of a part."""
        part = slice(start, stop)
        return States(self.attention[..., part, :].clone(), self.hidden[part].clone(), self.values[part].clone())


Node = Branch[States]
Path = Sequence[Node]


def compute(decoder: Any, paths: Sequence[Path], width: int) -> int:
    """Give every branch that lacks them its states, and return how many tokens went through the decoder."""
    nodes = list({node: None for path in paths for node in path})
    known = [node for node in nodes if node.block is not None]
    new = [node for node in nodes if node.block is None]
    if not new:
        return 0
    columns = _columns([*known, *new])
    first = columns[new[0]].start
    device, dtype = decoder.device, decoder.dtype
    positions, seen = _layout(paths, columns, first)
    seen = seen.to(device)
    mask = torch.zeros(seen.shape, dtype=dtype, device=device).masked_fill_(~seen, torch.finfo(dtype).min)
    cache = _cache(known)
    output = decoder(
        input_ids=torch.tensor([[token for node in new for token in node.tokens]], device=device),
        position_ids=positions[None].to(device),
        attention_mask=mask[None, None],
        past_key_values=cache,
        use_cache=True,
    )
    attention = torch.stack([torch.stack((x.keys[0][:, first:], x.values[0][:, first:])) for x in cache.layers])
    fresh = States(attention, output.last_hidden_state[0], torch.empty(0))
    for node in new:
        _keep(node, fresh, columns[node], first, width)
    return len(positions)


def read(readout: Readout, paths: Sequence[Path], passages: Sequence[Passage]) -> list[Tensor]:
    """Return the values (reads, width) of each passage; what several paths share is read once, and kept."""
    asked = _asked(paths, passages)
    sources = [_source(readout, node, offsets) for node, offsets in asked.items()]
    if sources:
        tokens = torch.tensor([node.tokens[i] for node, offsets in asked.items() for i in offsets.tolist()])
        hidden = torch.cat(sources)
        values = readout.values(hidden, tokens.to(hidden.device)).cpu()
        sizes = [len(offsets) for offsets in asked.values()]
        for (node, offsets), part in zip(asked.items(), values.split(sizes), strict=True):
            _states(node).values[offsets] = part
    return [
        torch.cat([_states(node).values for node in path])[list(passage.reads)]
        for path, passage in zip(paths, passages, strict=True)
    ]


def _columns(nodes: Sequence[Node]) -> dict[Node, slice]:
    """Place branches one behind the other."""
    ends = list(accumulate(len(node.tokens) for node in nodes))
    return {node: slice(end - len(node.tokens), end) for node, end in zip(nodes, ends, strict=True)}


def _layout(paths: Sequence[Path], columns: dict[Node, slice], first: int) -> tuple[Tensor, Tensor]:
    """Return the depth of each new token (new,), and what it sees (new, all): its path, up to itself."""
    total = max(column.stop for column in columns.values())
    positions, seen = torch.zeros(total - first, dtype=torch.long), torch.zeros(total - first, total, dtype=torch.bool)
    done = set[Node]()
    for path in paths:
        depth = 0
        for i, node in enumerate(path):
            size, column = len(node.tokens), columns[node]
            if column.start >= first and node not in done:
                done.add(node)
                rows = slice(column.start - first, column.stop - first)
                positions[rows] = torch.arange(depth, depth + size)
                seen[rows, column] = torch.ones(size, size, dtype=torch.bool).tril()
                for ancestor in path[:i]:
                    seen[rows, columns[ancestor]] = True
            depth += size
    return positions, seen


def _cache(known: Sequence[Node]) -> Any:
    """Put keys and values of the known branches where the decoder looks for them."""
    cache = DynamicCache()  # without a configuration: no layer forgets what is outside a window
    if known:
        attention = torch.cat([_states(node).attention for node in known], dim=3)
        for layer, (keys, values) in enumerate(attention):
            cache.update(keys[None], values[None], layer)
    return cache


def _keep(node: Node, fresh: States, column: slice, first: int, width: int) -> None:
    rows = slice(column.start - first, column.stop - first)
    unread = torch.full((len(node.tokens), width), torch.nan)
    node.block = States(fresh.attention[..., rows, :].clone(), fresh.hidden[rows].clone(), unread)


def _asked(paths: Sequence[Path], passages: Sequence[Passage]) -> dict[Node, Tensor]:
    """Return where each branch is to be read and has not been: offsets in ascending order."""
    wanted = dict[Node, Tensor]()
    for path, passage in zip(paths, passages, strict=True):
        marks = torch.zeros(len(passage.tokens), dtype=torch.bool)
        marks[list(passage.reads)] = True
        for node, part in zip(path, marks.split([len(node.tokens) for node in path]), strict=True):
            wanted[node] = wanted[node] | part if node in wanted else part
    unread = ((node, marks & _states(node).values[:, 0].isnan()) for node, marks in wanted.items())
    return {node: marks.nonzero()[:, 0] for node, marks in unread if marks.any()}


def _source(readout: Readout, node: Node, offsets: Tensor) -> Tensor:
    """Return the hidden states that the tokens at `offsets` are read from."""
    hidden = _states(node).hidden
    if not readout.behind:
        return hidden[offsets.to(hidden.device)]
    parent = node.parent
    before = hidden[:1] if parent is None or parent.block is None else parent.block.hidden[-1:]
    return torch.cat((before, hidden[:-1]))[offsets.to(hidden.device)]


def _states(node: Node) -> States:
    assert node.block is not None, "a path is read after it was computed"  # noqa: S101
    return node.block
