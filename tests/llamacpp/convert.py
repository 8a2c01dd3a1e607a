"""Writes a Hugging Face Llama checkpoint of ours as a GGUF file: `python convert.py FOLDER FILE`.

Runs in llama.cpp's own environment (`.venv-llamacpp`), which has none of the project's packages.
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from gguf import (  # pyright: ignore[reportMissingImports] - another environment's
    GGMLQuantizationType,
    GGUFWriter,
    LlamaFileType,
    TokenType,
)
from numpy.typing import NDArray
from safetensors import deserialize  # pyright: ignore[reportUnknownVariableType]

Floats = NDArray[np.float32]

_BLOCK = {
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
_OUTSIDE = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}
_PRE_TOKENIZER = "superbpe"
"""Of llama.cpp's the only one that splits nothing but runs of digits, so merges that span words survive.

Ours also keeps the blank line and every digit apart; no merge of ours joins either to anything, so the same
tokens come out."""


def convert(folder: Path, file: Path) -> None:
    """Write `folder` (config.json, model.safetensors, tokenizer.json, tokenizer_config.json) to `file` in float32."""
    config = _json(folder / "config.json")
    writer = GGUFWriter(file, "llama")
    _add_sizes(writer, config)
    _add_tokenizer(writer, _json(folder / "tokenizer.json"), _json(folder / "tokenizer_config.json"))
    for name, tensor in _tensors(folder / "model.safetensors", config):
        writer.add_tensor(name, tensor, raw_dtype=GGMLQuantizationType.F32)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _json(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))


def _add_sizes(writer: GGUFWriter, config: dict[str, Any]) -> None:
    writer.add_file_type(LlamaFileType.ALL_F32)
    writer.add_vocab_size(config["vocab_size"])
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_key_length(config["head_dim"])
    writer.add_value_length(config["head_dim"])
    writer.add_rope_dimension_count(config["head_dim"])
    writer.add_rope_freq_base(config["rope_theta"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])


def _add_tokenizer(writer: GGUFWriter, tokenizer: dict[str, Any], settings: dict[str, Any]) -> None:
    model = tokenizer["model"]
    special = {token["content"]: token["id"] for token in tokenizer["added_tokens"]}
    tokens = sorted(model["vocab"] | special, key=(model["vocab"] | special).__getitem__)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(_PRE_TOKENIZER)
    writer.add_token_list(tokens)
    writer.add_token_types([TokenType.CONTROL if token in special else TokenType.NORMAL for token in tokens])
    writer.add_token_merges([" ".join(merge) for merge in model["merges"]])
    writer.add_bos_token_id(special[settings["bos_token"]])
    writer.add_eos_token_id(special[settings["eos_token"]])
    writer.add_pad_token_id(special[settings["pad_token"]])
    writer.add_add_bos_token(settings["add_bos_token"])
    writer.add_chat_template(settings["chat_template"])


def _tensors(file: Path, config: dict[str, Any]) -> list[tuple[str, Floats]]:
    heads = {"q_proj": config["num_attention_heads"], "k_proj": config["num_key_value_heads"]}
    renamed = list[tuple[str, Floats]]()
    for name, view in deserialize(file.read_bytes()):
        tensor = _float32(view)
        count = heads.get(name.split(".")[-2])
        renamed.append((_renamed(name), _interleaved(tensor, count) if count else tensor))
    return renamed


def _float32(view: dict[str, Any]) -> Floats:
    if view["dtype"] == "F32":
        return np.frombuffer(view["data"], np.float32).reshape(view["shape"])
    if view["dtype"] != "BF16":
        raise ValueError(f"no bfloat16 or float32: {view['dtype']}")
    halves = np.frombuffer(view["data"], np.uint16).astype(np.uint32) << 16  # bfloat16 is the upper half of float32
    return halves.view(np.float32).reshape(view["shape"])


def _renamed(name: str) -> str:
    stem, suffix = name.rsplit(".", 1)
    if stem in _OUTSIDE:
        return f"{_OUTSIDE[stem]}.{suffix}"
    _, _, layer, part = stem.split(".", 3)
    return f"blk.{layer}.{_BLOCK[part]}.{suffix}"


def _interleaved(weight: Floats, heads: int) -> Floats:
    """Reorder each head's rows (out, in): its rotary pairs are (i, i + d/2) in Hugging Face's, (2i, 2i + 1) here."""
    rows, columns = weight.shape
    pairs = weight.reshape(heads, 2, rows // heads // 2, columns)
    return np.ascontiguousarray(pairs.swapaxes(1, 2)).reshape(rows, columns)


if __name__ == "__main__":
    convert(Path(sys.argv[1]), Path(sys.argv[2]))
