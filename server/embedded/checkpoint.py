"""Reads a Hugging Face Llama checkpoint (config.json, model.safetensors) into the matrices the engine multiplies by."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from safetensors import (
    SafetensorError,
    deserialize,  # pyright: ignore[reportUnknownVariableType] - it has no types
)

Floats = NDArray[np.floating[Any]]
"""Float32 at run time; numpy's stubs lose the width in arithmetic."""

_UNSUPPORTED = ("attention_bias", "mlp_bias", "rope_scaling", "quantization_config")


class CheckpointError(ValueError):
    """The folder does not hold a checkpoint this engine can serve; the message says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Config:
    """The sizes of a model, in the terms of the Llama papers; `context` is the longest sequence in tokens."""

    hidden: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    feed_forward: int
    vocabulary: int
    context: int
    epsilon: float
    rope_theta: float
    eos: int


@dataclass(frozen=True, slots=True)
class Layer:
    """One block's matrices, laid out (in, out); norm weights and the 1/sqrt(head_dim) of queries are folded in.

    Attributes:
        qkv: (hidden, (heads + 2 * kv_heads) * head_dim).
        output: (heads * head_dim, hidden).
        gate_up: (hidden, 2 * feed_forward).
        down: (feed_forward, hidden).

    """

    qkv: Floats
    output: Floats
    gate_up: Floats
    down: Floats


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A model's weights in float32; `head` is (hidden, vocabulary) with the final norm folded in."""

    config: Config
    embedding: Floats
    layers: tuple[Layer, ...]
    head: Floats
    parameters: int


def load(folder: Path) -> Checkpoint:
    """Load a Llama checkpoint of one safetensors file. Raises CheckpointError."""
    config = _read_config(folder / "config.json")
    tensors = _read_tensors(folder / "model.safetensors")
    try:
        embedding = tensors["model.embed_tokens.weight"]
        head = tensors.get("lm_head.weight", embedding) * tensors["model.norm.weight"]
        layers = tuple(_layer(tensors, f"model.layers.{i}.", config) for i in range(config.layers))
    except KeyError as missing:
        raise CheckpointError(f"{folder} has no tensor {missing}") from None
    checkpoint = Checkpoint(config, embedding, layers, _transposed(head), sum(t.size for t in tensors.values()))
    _check_shapes(checkpoint, folder)
    return checkpoint


def _read_config(path: Path) -> Config:
    try:
        raw: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"cannot read {path}: {error}") from error
    if raw.get("model_type") != "llama":
        raise CheckpointError(f"{path}: model_type is {raw.get('model_type')!r}, only 'llama' is supported")
    if unsupported := [name for name in _UNSUPPORTED if raw.get(name)]:
        raise CheckpointError(f"{path}: {', '.join(unsupported)} is not supported")
    try:
        heads = int(raw["num_attention_heads"])
        return Config(
            hidden=int(raw["hidden_size"]),
            layers=int(raw["num_hidden_layers"]),
            heads=heads,
            kv_heads=int(raw.get("num_key_value_heads", heads)),
            head_dim=int(raw.get("head_dim") or raw["hidden_size"] // heads),
            feed_forward=int(raw["intermediate_size"]),
            vocabulary=int(raw["vocab_size"]),
            context=int(raw["max_position_embeddings"]),
            epsilon=float(raw["rms_norm_eps"]),
            rope_theta=float(raw.get("rope_theta", 10_000.0)),
            eos=int(raw["eos_token_id"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path}: missing or unusable entry {error}") from error


def _read_tensors(path: Path) -> dict[str, Floats]:
    try:
        entries = cast("list[tuple[str, dict[str, Any]]]", deserialize(path.read_bytes()))
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"cannot read {path}: {error}") from error
    return {name: _as_float32(name, entry) for name, entry in entries}


def _as_float32(name: str, entry: dict[str, Any]) -> Floats:
    data, dtype = entry["data"], entry["dtype"]
    if dtype == "BF16":  # the upper half of a float32
        flat = (np.frombuffer(data, np.uint16).astype(np.uint32) << 16).view(np.float32)
    elif dtype in {"F16", "F32"}:
        flat = np.frombuffer(data, np.float16 if dtype == "F16" else np.float32).astype(np.float32)
    else:
        raise CheckpointError(f"tensor {name} has the unsupported type {dtype}")
    return flat.reshape(entry["shape"])


def _layer(tensors: dict[str, Floats], prefix: str, config: Config) -> Layer:
    attention, mlp = prefix + "self_attn.", prefix + "mlp."
    qkv = np.concatenate([tensors[f"{attention}{name}_proj.weight"] for name in "qkv"])
    qkv = qkv * tensors[prefix + "input_layernorm.weight"]
    qkv[: config.heads * config.head_dim] *= config.head_dim**-0.5
    gate_up = np.concatenate([tensors[mlp + "gate_proj.weight"], tensors[mlp + "up_proj.weight"]])
    gate_up = gate_up * tensors[prefix + "post_attention_layernorm.weight"]
    output, down = tensors[attention + "o_proj.weight"], tensors[mlp + "down_proj.weight"]
    return Layer(_transposed(qkv), _transposed(output), _transposed(gate_up), _transposed(down))


def _transposed(matrix: Floats) -> Floats:
    return np.ascontiguousarray(matrix.T, dtype=np.float32)


def _check_shapes(checkpoint: Checkpoint, folder: Path) -> None:
    c = checkpoint.config
    width = c.heads * c.head_dim
    block = {
        "qkv": (c.hidden, width + 2 * c.kv_heads * c.head_dim),
        "output": (width, c.hidden),
        "gate_up": (c.hidden, 2 * c.feed_forward),
        "down": (c.feed_forward, c.hidden),
    }
    shapes = [("embedding", checkpoint.embedding.shape, (c.vocabulary, c.hidden))]
    shapes += [("head", checkpoint.head.shape, (c.hidden, c.vocabulary))]
    for i, layer in enumerate(checkpoint.layers):
        shapes += [(f"layer {i} {name}", getattr(layer, name).shape, shape) for name, shape in block.items()]
    for name, found, expected in shapes:
        if found != expected:
            raise CheckpointError(f"{folder}: {name} is {found}, the configuration says {expected}")
