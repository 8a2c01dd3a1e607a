"""Remakes golden.json with torch and transformers, which the project itself does not need.

pip install torch transformers && python -m tests.server.embedded.make_golden
"""

import hashlib
import json
import tempfile
from pathlib import Path

from router.types import Message
from server.embedded.tokenizer import Tokenizer

from .checkpoints import random_tensors, write_checkpoint

WEIGHTS = Path(__file__).parents[3] / "server" / "embedded" / "weights"
GOLDEN = Path(__file__).parent / "golden.json"
QUESTIONS = ("What is (12 + 30) * 5 - 17 * 3 + 8?", "What is 7 + 8?", "Compute 91 * 12 - 405 / 5.")


def digest(folder: Path) -> str:
    return hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()


def continuation(folder: Path, prompt: list[int], most: int) -> dict[str, list[int] | list[float]]:
    import torch  # pyright: ignore[reportMissingImports]
    from transformers import LlamaForCausalLM  # pyright: ignore[reportMissingImports]

    model = LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    ids, logprobs = list(prompt), []
    with torch.inference_mode():
        while len(logprobs) < most and ids[-1] != 2:
            after = model(torch.tensor([ids])).logits[0, -1].log_softmax(-1)
            ids.append(int(after.argmax()))
            logprobs.append(round(float(after.max()), 6))
    return {"prompt": list(prompt), "ids": ids[len(prompt) :], "logprobs": logprobs}


def main() -> None:
    golden = {}
    with tempfile.TemporaryDirectory() as folder:
        random = write_checkpoint(Path(folder), random_tensors())
        golden["random"] = [continuation(random, prompt, 60) for prompt in ([1, 3, 4], list(range(100, 130)))]
    tokenizer = Tokenizer(WEIGHTS / "generator")
    prompts = [list(tokenizer.prompt([Message("user", question)])) for question in QUESTIONS]
    for name in ("generator", "verifier"):
        golden[name] = [continuation(WEIGHTS / name, prompt, 200) for prompt in prompts]
        golden[f"{name} sha256"] = digest(WEIGHTS / name)
    GOLDEN.write_text(json.dumps(golden) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
