"""A small random checkpoint for the tests, and a plain forward pass to compare the engine with."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

SIZES: dict[str, Any] = {
    "model_type": "llama",
    "architectures": ["LlamaForCausalLM"],
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "intermediate_size": 48,
    "vocab_size": 768,
    "max_position_embeddings": 96,
    "rms_norm_eps": 1e-5,
    "rope_theta": 10_000.0,
    "hidden_act": "silu",
    "tie_word_embeddings": True,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}

Tensors = dict[str, np.ndarray]


def random_tensors(seed: int = 0, *, tied: bool = True) -> Tensors:
    rng = np.random.default_rng(seed)

    def normal(*shape: int) -> np.ndarray:
        return (rng.standard_normal(shape) / np.sqrt(shape[-1])).astype(np.float32)

    hidden, width = SIZES["hidden_size"], SIZES["head_dim"]
    query, key = SIZES["num_attention_heads"] * width, SIZES["num_key_value_heads"] * width
    tensors = {"model.embed_tokens.weight": 3 * normal(SIZES["vocab_size"], hidden)}
    for i in range(SIZES["num_hidden_layers"]):
        layer = f"model.layers.{i}."
        for name, shape in {
            "self_attn.q_proj": (query, hidden),
            "self_attn.k_proj": (key, hidden),
            "self_attn.v_proj": (key, hidden),
            "self_attn.o_proj": (hidden, query),
            "mlp.gate_proj": (SIZES["intermediate_size"], hidden),
            "mlp.up_proj": (SIZES["intermediate_size"], hidden),
            "mlp.down_proj": (hidden, SIZES["intermediate_size"]),
        }.items():
            tensors[f"{layer}{name}.weight"] = 2 * normal(*shape)
        for name in ("input_layernorm", "post_attention_layernorm"):
            tensors[f"{layer}{name}.weight"] = 1 + 0.3 * normal(1, hidden)[0]
    tensors["model.norm.weight"] = 1 + 0.3 * normal(1, hidden)[0]
    if not tied:
        tensors["lm_head.weight"] = normal(SIZES["vocab_size"], hidden)
    return tensors


def write_checkpoint(folder: Path, tensors: Tensors, **changes: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    save_file(tensors, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps({**SIZES, **changes}), encoding="utf-8")
    return folder


def plain_logprobs(tensors: Tensors, sizes: dict[str, Any], tokens: list[int]) -> np.ndarray:
    """The log-probabilities (len(tokens), vocabulary) of what follows each token: no cache, no batch, float64."""
    heads, kv_heads, width = sizes["num_attention_heads"], sizes["num_key_value_heads"], sizes["head_dim"]
    w = {name: tensor.astype(np.float64) for name, tensor in tensors.items()}

    def norm(x: np.ndarray, name: str) -> np.ndarray:
        return x / np.sqrt((x * x).mean(-1, keepdims=True) + sizes["rms_norm_eps"]) * w[name + ".weight"]

    def rotate(head: np.ndarray) -> np.ndarray:
        out = np.empty_like(head)
        for position in range(len(head)):
            for i in range(width // 2):
                angle = position * sizes["rope_theta"] ** (-2 * i / width)
                a, b = head[position, i], head[position, i + width // 2]
                out[position, i] = a * np.cos(angle) - b * np.sin(angle)
                out[position, i + width // 2] = b * np.cos(angle) + a * np.sin(angle)
        return out

    def attend(x: np.ndarray, layer: str) -> np.ndarray:
        q, k, v = (x @ w[f"{layer}self_attn.{name}_proj.weight"].T for name in "qkv")
        mixed = []
        for head in range(heads):
            own = slice(head * width, (head + 1) * width)
            shared = slice(head * kv_heads // heads * width, (head * kv_heads // heads + 1) * width)
            scores = rotate(q[:, own]) @ rotate(k[:, shared]).T / np.sqrt(width)
            scores[np.triu_indices(len(x), 1)] = -np.inf
            weights = np.exp(scores - scores.max(-1, keepdims=True))
            mixed.append(weights / weights.sum(-1, keepdims=True) @ v[:, shared])
        return np.concatenate(mixed, -1) @ w[layer + "self_attn.o_proj.weight"].T

    def feed_forward(x: np.ndarray, layer: str) -> np.ndarray:
        gate, up = x @ w[layer + "mlp.gate_proj.weight"].T, x @ w[layer + "mlp.up_proj.weight"].T
        return gate / (1 + np.exp(-gate)) * up @ w[layer + "mlp.down_proj.weight"].T

    x = w["model.embed_tokens.weight"][tokens]
    for i in range(sizes["num_hidden_layers"]):
        layer = f"model.layers.{i}."
        x = x + attend(norm(x, layer + "input_layernorm"), layer)
        x = x + feed_forward(norm(x, layer + "post_attention_layernorm"), layer)
    logits = norm(x, "model.norm") @ w.get("lm_head.weight", w["model.embed_tokens.weight"]).T
    logits -= logits.max(-1, keepdims=True)
    return logits - np.log(np.exp(logits).sum(-1, keepdims=True))
