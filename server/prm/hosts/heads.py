"""Reward models as their checkpoints have them: a decoder, and one of the heads that such models are published with."""

# torch and transformers leave many of their types open.
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, PreTrainedModel

from ..ports import ClassLogits, Head, HostError, TokenLogits, TokenLogprobs

_CHUNK = 512
"""Positions whose logits over the whole vocabulary are in memory at a time."""


@dataclass(frozen=True, slots=True)
class Readout:
    """From hidden states (positions, hidden) and the tokens read there (positions,) to values (positions, width).

    With `behind` the hidden state is the one of the token before the one that is read.
    """

    width: int
    behind: bool
    values: Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True, slots=True)
class Model:
    """A loaded model: `decoder` gives hidden states; `whole` is the whole of a language model, else None."""

    decoder: Any
    readout: Readout
    whole: Any = None

    def logits(self, hidden: Tensor) -> Tensor:
        """Return a language model's logits (positions, vocabulary)."""
        return self.whole.get_output_embeddings()(hidden)


class _Scored(PreTrainedModel):
    """A decoder with a head called `score`, or below `v_head`, on its last hidden states."""

    base_model_prefix = "model"
    _keys_to_ignore_on_load_unexpected: set[str] | list[str] | None = {"lm_head"}  # noqa: RUF012 - as it is declared
    _supports_sdpa = True
    _supports_attention_backend = True
    labels: ClassVar[int | None] = None

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.model: Any = AutoModel.from_config(config)
        self.attach(config.hidden_size, self.labels or config.num_labels)
        self.post_init()

    def attach(self, hidden: int, labels: int) -> None:
        """Make the head: without a bias, as sequence classifiers of decoders have it."""
        self.score: nn.Module = nn.Linear(hidden, labels, bias=False)

    @property
    def reads(self) -> nn.Module:
        """The head."""
        return self.score


class _TokenScored(_Scored):
    """A *ForTokenClassification, as TRL's trainer of process reward models saves it."""

    def attach(self, hidden: int, labels: int) -> None:
        self.score = nn.Linear(hidden, labels)


class _TwoLayers(_Scored):
    """Qwen2ForProcessRewardModel of Qwen2.5-Math-PRM: `score.0`, ReLU, `score.2`, two labels by default."""

    def attach(self, hidden: int, labels: int) -> None:
        self.score = nn.Sequential(nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, labels))


class _OneScore(_TwoLayers):
    """Qwen2ForRewardModel of Qwen2.5-Math-RM: the same head with one output, whatever the configuration says."""

    labels = 1


class _Valued(_Scored):
    """Qwen2ForPrmModel of Skywork-o1-Open-PRM: `v_head.summary`, one output, with a bias (TRL's value head)."""

    labels = 1

    def attach(self, hidden: int, labels: int) -> None:
        self.v_head = nn.ModuleDict({"summary": nn.Linear(hidden, labels)})

    @property
    def reads(self) -> nn.Module:
        return self.v_head["summary"]


_HEADED: tuple[tuple[str, type[_Scored]], ...] = (
    ("ForProcessRewardModel", _TwoLayers),
    ("ForRewardModel", _OneScore),
    ("ForPrmModel", _Valued),
    ("ForSequenceClassification", _Scored),
    ("ForTokenClassification", _TokenScored),
)
"""What an architecture's name ends with, and the head it has."""


def load(name: str, head: Head, device: torch.device, dtype: torch.dtype) -> Model:
    """Load a model for reading `head`. No code from a checkpoint is ever run. Raises HostError."""
    try:
        config: Any = AutoConfig.from_pretrained(name)
        kind: Any = _headed(config) if isinstance(head, ClassLogits) else AutoModelForCausalLM
        whole, report = kind.from_pretrained(
            name, config=config, dtype=dtype, attn_implementation="sdpa", output_loading_info=True
        )
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        raise HostError(f"cannot load {name}: {error}") from error
    if missing := sorted(report["missing_keys"]):
        raise HostError(f"the checkpoint {name} lacks {', '.join(missing[:5])}")
    whole = whole.to(device).eval()
    return Model(whole.base_model, _readout(whole, head), None if isinstance(head, ClassLogits) else whole)


def _headed(config: Any) -> type[_Scored]:
    architecture = str((config.architectures or [""])[0])
    for ending, kind in _HEADED:
        if architecture.endswith(ending):
            return kind
    raise HostError(f"{architecture or 'a model without architecture'} has no head that gives scores")


def _readout(whole: Any, head: Head) -> Readout:
    if isinstance(head, ClassLogits):
        reads = whole.reads.float()  # value heads are trained in full precision
        width = next(
            module.out_features for module in reversed(list(reads.modules())) if hasattr(module, "out_features")
        )
        return Readout(width, behind=False, values=lambda hidden, _: reads(hidden.float()))
    language = whole.get_output_embeddings()
    vocabulary = language.weight.shape[0]
    if isinstance(head, TokenLogprobs):
        return Readout(1, behind=True, values=lambda hidden, tokens: _logprobs(language, hidden, tokens))
    if max(head.ids) >= vocabulary:
        raise HostError(f"token {max(head.ids)} is outside the vocabulary of {vocabulary}")
    return Readout(len(head.ids), behind=False, values=_selected(language, head))


def _selected(language: Any, head: TokenLogits) -> Callable[[Tensor, Tensor], Tensor]:
    ids = list(head.ids)
    weight, bias = language.weight[ids].float(), None if language.bias is None else language.bias[ids].float()
    return lambda hidden, _: nn.functional.linear(hidden.float(), weight, bias)


def _logprobs(language: Any, hidden: Tensor, tokens: Tensor) -> Tensor:
    """Return the log-probability (positions, 1) of each token after the hidden state before it."""
    parts = zip(hidden.split(_CHUNK), tokens.split(_CHUNK), strict=True)
    found = [language(h).float().log_softmax(-1).gather(1, t[:, None]) for h, t in parts]
    return torch.cat(found) if found else hidden.new_zeros((0, 1), dtype=torch.float32)
