"""Makes small models with random weights, each in the layout in which the real ones of its family are published.

Every maker writes a Hugging Face folder: configuration, weights, tokenizer with chat template. They are the same in
every run. The sizes (heads of 64) are such that vLLM serves them on a CPU.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from torch import Tensor, nn
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen2ForSequenceClassification,
    Qwen2Model,
)

_SIZES: Mapping[str, Any] = {
    "hidden_size": 128,
    "intermediate_size": 192,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "initializer_range": 0.12,  # ten times less, and all rewards would be one half
    "max_position_embeddings": 4096,
}

_CORPUS = (
    "Step 1: Natalia sold 48 / 2 = 24 clips in May. ки\nStep 2: Altogether she sold 48 + 24 = 72 clips. ки\n",
    "The sum of 12 and 30 is 42.\n\nTherefore 42 - 17 = 25, and the answer is $\\boxed{25}$.\n\n",
    "How many prime numbers are between 20 and 30? user assistant system + - + -\n\n",
    "Please reason step by step, and put your final answer within \\boxed{}.\n",
    "Привет, книга: кино и кит. 日本語 français größer\n",
)

_CHATML = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\\n' + m['content'] + '<|im_end|>' + '\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
"""Qwen's, without tools and default system turn."""

_HEADERS = (
    "{{ bos_token }}{% for m in messages %}{{ '<|start_header_id|>' + m['role'] + '<|end_header_id|>\\n\\n'"
    " + m['content'] | trim + '<|eot_id|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{% endif %}"
)
"""Llama 3's, without tools and date."""

_WORDS = r"(?i:'s|'t)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
"""How Qwen 2 and (but for the digits) Llama 3 split text."""


def qwen(folder: Path) -> Path:
    """Qwen2.5-Math-PRM: a decoder with `score.0`, ReLU, `score.2`."""
    tokens = _byte_level(folder, ("<|im_start|>", "<|im_end|>", "<|endoftext|>", "<extra_0>"), "<|im_end|>", _CHATML)
    config = Qwen2Config(**_sizes(tokens), **_labels(2))
    hidden = config.hidden_size
    layers = (_layer(hidden, hidden), _layer(hidden, 2, 3.0))
    head = {f"score.{2 * i}.{key}": value for i, layer in enumerate(layers) for key, value in layer.items()}
    return _write(folder, config, _decoder(config) | head, "Qwen2ForProcessRewardModel")


def skywork(folder: Path) -> Path:
    """Skywork-o1-Open-PRM: a whole language model and `v_head.summary`."""
    tokens = _byte_level(
        folder, ("<|im_start|>", "<|im_end|>", "<|endoftext|>"), "<|im_end|>", _CHATML, bos="<|endoftext|>"
    )
    config = Qwen2Config(**_sizes(tokens))
    head = {f"v_head.summary.{key}": value for key, value in _layer(config.hidden_size, 1, 3.0).items()}
    weights = _decoder(config) | head | {"lm_head.weight": torch.randn(tokens, config.hidden_size)}
    return _write(folder, config, weights, "Qwen2ForPrmModel")


def shepherd(folder: Path, architecture: str = "mistral") -> Path:
    """Math-Shepherd: a language model whose vocabulary has ▁ки, ▁+ and ▁-, and that begins texts with <s>.

    `architecture` is "mistral", as the real one, or "qwen2".
    """
    tokens = _sentence_piece(folder)
    kinds = {"mistral": (MistralConfig, MistralForCausalLM), "qwen2": (Qwen2Config, Qwen2ForCausalLM)}
    config_kind, kind = kinds[architecture]
    return _save(folder, kind, config_kind(**_sizes(tokens), sliding_window=None, bos_token_id=1, eos_token_id=2))


def rlhflow(folder: Path) -> Path:
    """RLHFlow's: a Llama that answers + or - in a conversation."""
    named = ("<|begin_of_text|>", "<|eot_id|>", "<|start_header_id|>", "<|end_header_id|>")
    tokens = _byte_level(folder, named, "<|eot_id|>", _HEADERS, bos="<|begin_of_text|>", adds_bos=True)
    return _save(folder, LlamaForCausalLM, LlamaConfig(**_sizes(tokens)))


def outcome(folder: Path) -> Path:
    """An outcome reward model: Qwen2ForSequenceClassification with one label."""
    tokens = _byte_level(folder, ("<|im_start|>", "<|im_end|>", "<|endoftext|>"), "<|im_end|>", _CHATML)
    config = Qwen2Config(**_sizes(tokens), **_labels(1), pad_token_id=2)
    return _save(folder, Qwen2ForSequenceClassification, config)


def causal(folder: Path, seed: int = 5, *, tied: bool = True) -> Path:
    """A plain language model with a chat template, for implicit rewards; another `seed` is another model."""
    tokens = _byte_level(folder, ("<|im_start|>", "<|im_end|>", "<|endoftext|>"), "<|im_end|>", _CHATML)
    config = Qwen2Config(**_sizes(tokens), tie_word_embeddings=tied, eos_token_id=1)
    return _save(folder, Qwen2ForCausalLM, config, seed)


MAKERS: Mapping[str, Callable[[Path], Path]] = {
    "qwen": qwen,
    "shepherd": shepherd,
    "rlhflow": rlhflow,
    "skywork": skywork,
    "outcome": outcome,
    "implicit": causal,
    "log-ratio": causal,
}
"""By the names of the families."""


def _sizes(tokens: int) -> dict[str, Any]:
    return {"vocab_size": tokens, **_SIZES}


def _labels(count: int) -> dict[str, Any]:
    return {"num_labels": count}


def _layer(inputs: int, outputs: int, scale: float = 1.0) -> dict[str, Tensor]:
    """Return a linear layer's random weights."""
    generator = torch.Generator().manual_seed(inputs * 1000 + outputs)
    weight = torch.randn(outputs, inputs, generator=generator) * scale / inputs**0.5
    return {"weight": weight, "bias": torch.randn(outputs, generator=generator) * 0.1}


def _decoder(config: Qwen2Config) -> dict[str, Tensor]:
    torch.manual_seed(3)
    return {f"model.{name}": tensor for name, tensor in Qwen2Model(config).state_dict().items()}


def _save(folder: Path, kind: Any, config: Any, seed: int = 3) -> Path:
    torch.manual_seed(seed)
    model: nn.Module = kind(config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith(("lm_head.weight", "score.weight")):
                parameter.mul_(3.0)
    model.save_pretrained(str(folder))  # type: ignore[operator]
    return folder


def _write(folder: Path, config: Any, weights: Mapping[str, Tensor], architecture: str) -> Path:
    """Save what transformers has no class for."""
    config.architectures = [architecture]
    config.save_pretrained(str(folder))
    save_file(
        {name: tensor.contiguous() for name, tensor in weights.items()}, folder / "model.safetensors", {"format": "pt"}
    )
    return folder


def _byte_level(
    folder: Path, special: tuple[str, ...], eos: str, template: str, *, bos: str | None = None, adds_bos: bool = False
) -> int:
    """Save a tokenizer like Qwen's and Llama 3's, and return how many tokens it knows."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_WORDS), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    _train(tokenizer, trainers.BpeTrainer(vocab_size=640, special_tokens=list(special), initial_alphabet=alphabet))
    after: list[Any] = [processors.ByteLevel(trim_offsets=True)]
    if bos and adds_bos:
        after.append(processors.TemplateProcessing(f"{bos} $A", special_tokens=[(bos, tokenizer.token_to_id(bos))]))
    tokenizer.post_processor = processors.Sequence(after)
    return _save_tokenizer(folder, tokenizer, {"bos_token": bos, "eos_token": eos, "pad_token": eos}, template)


def _sentence_piece(folder: Path) -> int:
    """Save a tokenizer like Llama 2's and Mistral's."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split("\n", "isolated"), pre_tokenizers.Metaspace(prepend_scheme="first")]
    )
    tokenizer.decoder = decoders.Metaspace()
    fallback = [f"<0x{byte:02X}>" for byte in range(256)]
    _train(tokenizer, trainers.BpeTrainer(vocab_size=640, special_tokens=["<unk>", "<s>", "</s>", *fallback]))
    tokenizer.post_processor = processors.TemplateProcessing("<s> $A", special_tokens=[("<s>", 1)])
    spec = json.loads(tokenizer.to_str())
    spec["added_tokens"] = [token for token in spec["added_tokens"] if token["content"] not in fallback]
    named = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "</s>"}
    return _save_tokenizer(folder, Tokenizer.from_str(json.dumps(spec)), named, None)


def _train(tokenizer: Tokenizer, trainer: Any) -> None:
    tokenizer.train_from_iterator([text * 20 for text in _CORPUS], trainer)


def _save_tokenizer(folder: Path, tokenizer: Tokenizer, named: Mapping[str, str | None], template: str | None) -> int:
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {name: token for name, token in named.items() if token}
    settings |= {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": 4096}
    settings |= {"chat_template": template} if template else {}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    return tokenizer.get_vocab_size()
