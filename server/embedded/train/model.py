"""The Llama of the embedded models, in torch, to train it and to read and write Hugging Face checkpoints.

What:     the architecture of LLaMA (Touvron et al. 2023) with grouped-query attention (Ainslie et al. 2023) and
          tied embeddings. Parameters carry the names `transformers` gives them, so a checkpoint is the state.
Command:  none; `pretrain` imports it.
"""

import json
import math
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

VOCABULARY, CONTEXT = 768, 512
PAD, BOS, EOS = 0, 1, 2
NORM_EPSILON, ROPE_BASE = 1e-5, 10_000.0
_TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json")


@dataclass(frozen=True, slots=True)
class Shape:
    """The sizes of one model, named as in config.json."""

    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    intermediate_size: int

    @property
    def head_dim(self) -> int:
        """Width of one attention head."""
        return self.hidden_size // self.num_attention_heads


SHAPES = {"S": Shape(128, 6, 4, 2, 384), "M": Shape(256, 6, 4, 2, 640)}
"""S is the generator (1.28M parameters), M the verifier (4.33M)."""


class Norm(nn.Module):
    """Root-mean-square normalisation (Zhang and Sennrich 2019), computed in float32."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise the last axis."""
        scale = torch.rsqrt(x.float().pow(2).mean(-1, keepdim=True) + NORM_EPSILON)
        return (x.float() * scale).type_as(x) * self.weight.type_as(x)


class Attention(nn.Module):
    """Causal grouped-query attention with rotary positions (Su et al. 2021)."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.head_dim = shape.head_dim
        queries = shape.num_attention_heads * shape.head_dim
        keys = shape.num_key_value_heads * shape.head_dim
        self.q_proj = nn.Linear(shape.hidden_size, queries, bias=False)
        self.k_proj = nn.Linear(shape.hidden_size, keys, bias=False)
        self.v_proj = nn.Linear(shape.hidden_size, keys, bias=False)
        self.o_proj = nn.Linear(queries, shape.hidden_size, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """(batch, length, width) to the same."""
        value = self._heads(self.v_proj(x))
        query = _rotate(self._heads(self.q_proj(x)), cos, sin).type_as(value)
        key = _rotate(self._heads(self.k_proj(x)), cos, sin).type_as(value)
        mixed = functional.scaled_dot_product_attention(query, key, value, is_causal=True, enable_gqa=True)
        return self.o_proj(mixed.transpose(1, 2).flatten(2))

    def _heads(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (-1, self.head_dim)).transpose(1, 2)


class Mlp(nn.Module):
    """The gated feed-forward layer (SwiGLU, Shazeer 2020)."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(shape.hidden_size, shape.intermediate_size, bias=False)
        self.up_proj = nn.Linear(shape.hidden_size, shape.intermediate_size, bias=False)
        self.down_proj = nn.Linear(shape.intermediate_size, shape.hidden_size, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(..., width) to the same."""
        return self.down_proj(functional.silu(self.gate_proj(x)) * self.up_proj(x))


class Block(nn.Module):
    """One layer: attention and feed-forward, each normalised first and added to the stream."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.self_attn = Attention(shape)
        self.mlp = Mlp(shape)
        self.input_layernorm = Norm(shape.hidden_size)
        self.post_attention_layernorm = Norm(shape.hidden_size)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """(batch, length, width) to the same."""
        x = x + self.self_attn(self.input_layernorm(x), cos, sin)
        return x + self.mlp(self.post_attention_layernorm(x))


class _Body(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(VOCABULARY, shape.hidden_size)
        self.layers = nn.ModuleList([Block(shape) for _ in range(shape.num_hidden_layers)])
        self.norm = Norm(shape.hidden_size)


class Llama(nn.Module):
    """A causal language model. Its matrices start at fan-in scale, halved where they write into the stream."""

    cos: Tensor
    sin: Tensor

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.model = _Body(shape)
        for name, matrix in self.named_parameters():
            if matrix.dim() == 2:
                nn.init.normal_(matrix, std=_initial_scale(name) / math.sqrt(matrix.shape[1]))
        cos, sin = _rotary_tables(shape.head_dim)
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)

    def forward(self, ids: Tensor) -> Tensor:
        """Token ids (batch, length) to the last hidden states (batch, length, width)."""
        length = ids.shape[1]
        x = self.model.embed_tokens(ids)
        if torch.is_autocast_enabled(ids.device.type):
            x = x.bfloat16()
        for layer in self.model.layers:
            x = layer(x, self.cos[:length], self.sin[:length])
        return self.model.norm(x)

    def logits(self, hidden: Tensor) -> Tensor:
        """Hidden states (..., width) to logits (..., vocabulary)."""
        return functional.linear(hidden, self.model.embed_tokens.weight.type_as(hidden))


def _initial_scale(name: str) -> float:
    if "embed" in name:
        return 0.02
    return 0.5 if "o_proj" in name or "down_proj" in name else 1.0


def _rotary_tables(head_dim: int) -> tuple[Tensor, Tensor]:
    frequency = ROPE_BASE ** (-torch.arange(0, head_dim, 2).float() / head_dim)
    angle = torch.outer(torch.arange(CONTEXT).float(), frequency).repeat(1, 2)
    return angle.cos(), angle.sin()


def _rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    first, second = x.chunk(2, dim=-1)
    return x * cos + torch.cat([-second, first], dim=-1) * sin


def load(folder: Path) -> Llama:
    """Read a Hugging Face checkpoint in float32. Raises OSError, or RuntimeError if the tensors do not fit."""
    config = json.loads((folder / "config.json").read_text())
    model = Llama(Shape(**{name: config[name] for name in Shape.__dataclass_fields__}))
    model.load_state_dict({k: v.float() for k, v in load_file(folder / "model.safetensors").items()})
    return model


def save(model: Llama, folder: Path, tokenizer: Path) -> None:
    """Write a Hugging Face checkpoint in bfloat16, with the tokenizer files of the folder `tokenizer`."""
    folder.mkdir(parents=True, exist_ok=True)
    state = {k: v.detach().cpu().bfloat16().contiguous() for k, v in model.state_dict().items()}
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    ends = {"bos_token_id": BOS, "eos_token_id": EOS, "pad_token_id": PAD}
    (folder / "config.json").write_text(json.dumps(_config(model.shape) | ends, indent=1) + "\n")
    (folder / "generation_config.json").write_text(json.dumps(ends) + "\n")
    for name in _TOKENIZER_FILES:
        if (tokenizer / name).resolve() != (folder / name).resolve():
            shutil.copy(tokenizer / name, folder)


def _config(shape: Shape) -> dict[str, Any]:
    return asdict(shape) | {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "head_dim": shape.head_dim,
        "vocab_size": VOCABULARY,
        "max_position_embeddings": CONTEXT,
        "rms_norm_eps": NORM_EPSILON,
        "rope_theta": ROPE_BASE,
        "hidden_act": "silu",
        "attention_bias": False,
        "mlp_bias": False,
        "tie_word_embeddings": True,
        "torch_dtype": "bfloat16",
    }
