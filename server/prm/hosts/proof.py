"""Makes sure, before a model is used, that it computes a forest of passages as it computes each of them alone."""

import torch
from torch import Tensor

from ..ports import HostError
from ..prefixes import PrefixTree
from .forest import States, compute
from .heads import Model

_STEM = (1, 2, 3)
_LEAVES = ((1, 2, 3, 4, 5), (1, 2, 3, 6, 7, 8))


def prove(model: Model) -> None:
    """Compute a stem, then two continuations of it in one pass, and compare. Raises HostError."""
    vocabulary: int = model.decoder.config.vocab_size
    stem, *leaves = (tuple(token % vocabulary for token in tokens) for tokens in (_STEM, *_LEAVES))
    tree = PrefixTree[States](0)
    for batch in ([stem], leaves):
        for tokens in batch:
            tree.insert(tokens)
        compute(model.decoder, [tree.path(tokens) for tokens in batch], model.readout.width)
    for tokens in leaves:
        hidden = torch.cat([node.block.hidden for node in tree.path(tokens) if node.block])
        _compare(model, torch.tensor([tokens], device=model.decoder.device), hidden)


def _compare(model: Model, ids: Tensor, hidden: Tensor) -> None:
    plain = model.decoder(input_ids=ids).last_hidden_state[0]
    _finite(model, plain)
    if not _near(model, hidden, plain):
        raise HostError("the attention of this model cannot be shared between passages")
    if model.whole is not None and not _near(model, model.logits(hidden), model.whole(input_ids=ids).logits[0]):
        raise HostError("this model changes its logits after its last layer")


def _finite(model: Model, plain: Tensor) -> None:
    if not plain.isfinite().all():
        raise HostError(f"the model overflows in {model.decoder.dtype}: try another dtype")


def _near(model: Model, ours: Tensor, plain: Tensor) -> bool:
    allowed = 1e-3 if model.decoder.dtype == torch.float32 else 5e-2
    return float((plain - ours).abs().max()) <= allowed * (1.0 + float(plain.abs().max()))
