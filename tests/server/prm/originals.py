"""Each family's rewards as the model's own authors compute them: one example at a time, with transformers alone.

Nothing here uses the product: not its layout, not its heads, not its batching.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor
from transformers import AutoModel, AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer

from server.prm.ports import Item


@torch.inference_mode()
def qwen(folder: Path, item: Item) -> list[float]:
    tokenizer: Any = AutoTokenizer.from_pretrained(str(folder))
    messages = [
        {"role": "system", "content": "Please reason step by step, and put your final answer within \\boxed{}."},
        {"role": "user", "content": item.problem},
        {"role": "assistant", "content": "<extra_0>".join(item.steps) + "<extra_0>"},
    ]
    ids = _ids(tokenizer, tokenizer.apply_chat_template(messages, tokenize=False))
    hidden, weights = _hidden(folder, ids), load_file(folder / "model.safetensors")
    inner = torch.relu(hidden @ weights["score.0.weight"].T + weights["score.0.bias"])
    logits = inner @ weights["score.2.weight"].T + weights["score.2.bias"]
    separator = tokenizer.convert_tokens_to_ids("<extra_0>")
    return logits.softmax(-1)[ids[0] == separator][:, 1].tolist()


@torch.inference_mode()
def shepherd(folder: Path, item: Item) -> list[float]:
    tokenizer: Any = AutoTokenizer.from_pretrained(str(folder))
    lines = [f"Step {i}: {step} ки" for i, step in enumerate(item.steps, 1)]
    ids = tokenizer(f"{item.problem} " + "\n".join(lines), return_tensors="pt").input_ids
    good, bad, tag = (tokenizer.convert_tokens_to_ids(token) for token in ("▁+", "▁-", "▁ки"))
    scores = _logits(folder, ids)[:, [good, bad]].softmax(-1)[:, 0]
    return scores[ids[0] == tag].tolist()


@torch.inference_mode()
def rlhflow(folder: Path, item: Item) -> list[float]:
    tokenizer: Any = AutoTokenizer.from_pretrained(str(folder))
    signs = [tokenizer.encode(sign, add_special_tokens=False)[-1] for sign in "+-"]
    rewards, conversation = list[float](), list[dict[str, str]]()
    for i, step in enumerate(item.steps):
        text = step if i else f"{item.problem} {step}"
        conversation += [{"role": "user", "content": text}, {"role": "assistant", "content": "+"}]
        ids = _ids(tokenizer, tokenizer.apply_chat_template(conversation, tokenize=False))
        rewards.append(_logits(folder, ids)[-3, signs].softmax(-1)[0].item())
    return rewards


@torch.inference_mode()
def skywork(folder: Path, item: Item) -> list[float]:
    tokenizer: Any = AutoTokenizer.from_pretrained(str(folder))
    ids: list[int] = tokenizer.encode(tokenizer.bos_token + item.problem + "\n")
    flags, line_break = list[int](), tokenizer.encode("\n")[-1]
    for step in item.steps:
        for line in step.split("\n"):
            if line:
                ids += [*tokenizer.encode(line), line_break]
        flags.append(len(ids) - 1)
    weights = load_file(folder / "model.safetensors")
    values = _hidden(folder, torch.tensor([ids])) @ weights["v_head.summary.weight"].T + weights["v_head.summary.bias"]
    return values[:, 0].sigmoid()[flags].tolist()


@torch.inference_mode()
def outcome(folder: Path, item: Item) -> list[float]:
    tokenizer: Any = AutoTokenizer.from_pretrained(str(folder))
    model = _model(AutoModelForSequenceClassification, folder)
    messages = [{"role": "user", "content": item.problem}, {"role": "assistant", "content": "\n\n".join(item.steps)}]
    ids = _ids(tokenizer, tokenizer.apply_chat_template(messages, tokenize=False))
    return [1.0] * (len(item.steps) - 1) + [model(ids).logits[0, 0].sigmoid().item()]


def implicit(folder: Path, item: Item) -> list[float]:
    logprobs, spans = step_logprobs(folder, item)
    return [logprobs[start:stop].mean().exp().item() for start, stop in spans]


@torch.inference_mode()
def step_logprobs(folder: Path, item: Item) -> tuple[Tensor, list[tuple[int, int]]]:
    """Return the log-probabilities of an answer's tokens, and where its steps are among them."""
    tokenizer: Any = AutoTokenizer.from_pretrained(str(folder))
    messages = [{"role": "user", "content": item.problem}]
    prompt = _ids(tokenizer, tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True))
    texts = [step + "\n\n" for step in item.steps]
    if item.finished:
        texts[-1] = item.steps[-1] + tokenizer.eos_token
    ids = torch.cat([prompt, _ids(tokenizer, "".join(texts))], 1)
    logprobs = _logits(folder, ids)[:-1].log_softmax(-1).gather(1, ids[0, 1:, None])[:, 0]
    ends = [_ids(tokenizer, "".join(texts[:i])).shape[1] for i in range(len(texts) + 1)]
    return logprobs[prompt.shape[1] - 1 :], list(pairwise(ends))


ORIGINALS: Mapping[str, Callable[[Path, Item], list[float]]] = {
    "qwen": qwen,
    "shepherd": shepherd,
    "rlhflow": rlhflow,
    "skywork": skywork,
    "outcome": outcome,
    "implicit": implicit,
}


def _ids(tokenizer: Any, text: str) -> Tensor:
    return torch.tensor([tokenizer.encode(text, add_special_tokens=False)], dtype=torch.long)


def _hidden(folder: Path, ids: Tensor) -> Tensor:
    return _model(AutoModel, folder)(ids).last_hidden_state[0]


def _logits(folder: Path, ids: Tensor) -> Tensor:
    return _model(AutoModelForCausalLM, folder)(ids).logits[0]


@lru_cache(16)
def _model(kind: Any, folder: Path) -> Any:
    return kind.from_pretrained(str(folder))
