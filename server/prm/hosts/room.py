"""How much of what a model computed there is room to keep."""

# torch leaves many of its types open.
# pyright: reportUnknownMemberType=false

import torch

from ..prefixes import PrefixTree
from .forest import States, compute
from .heads import Model

_ON_CPU = 32_768
_TRIAL = (0, 0, 0, 0)


def cache_room(model: Model, share: float) -> int:
    """Return the tokens to keep: as many as a share of the GPU's free memory holds; on a CPU it is not ours to fill."""
    if (free := _free(model.decoder.device)) is None:
        return _ON_CPU
    return max(1, int(share * free / _size(model)))


def _free(device: torch.device) -> int | None:
    """Return a GPU's free memory in bytes."""
    return torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else None


def _size(model: Model) -> float:
    """Return the bytes that a token takes, by trying."""
    tree = PrefixTree[States](0)
    tree.insert(_TRIAL)
    compute(model.decoder, [tree.path(_TRIAL)], model.readout.width)
    return sum(node.block.bytes for node in tree.path(_TRIAL) if node.block) / len(_TRIAL)
