"""Train the tokenizer the models share.

What:     byte-level BPE (Sennrich et al. 2016) of 768 tokens on the text of problems and solutions. Every digit
          is a token of its own, and so is the blank line that ends a step: a step boundary is one token, and a
          step's tokens do not depend on its neighbours. Merges may cross words.
Command:  python -m server.embedded.train.tokenizer --out /tmp/tokenizer
Time:     about half a minute.
Seed:     1. The shipped file was trained so on an earlier version of the family; remaking it gives other merges,
          and weights fit only the tokenizer they were trained with.
"""

import argparse
import json
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from random import Random

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from server.embedded.problems.family import solution
from server.embedded.train.pack import train_problems

VOCABULARY, CONTEXT = 768, 512
SPECIAL = ("<|pad|>", "<|bos|>", "<|eos|>", "<|user|>", "<|assistant|>", "<extra_0>", "<|+|>", "<|-|>")
"""Ids 0 to 7. The last three are for process reward models; the shipped models do not use them."""
CHAT_TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}"
    "{% if m['role'] == 'user' %}<|user|>{{ m['content'] | trim }}"
    "{% elif m['role'] == 'assistant' %}<|assistant|>{{ m['content'] }}"
    "{% if not loop.last or not continue_final_message %}<|eos|>{% endif %}{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
_EVEN = (1, 1, 1, 1, 1)


def train_tokenizer(texts: Iterable[str]) -> Tokenizer:
    """Learn the merges from texts."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex("\n\n"), "isolated"),
            pre_tokenizers.Split(Regex(r"\d"), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=list(SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def texts_of(count: int, seed: int) -> Iterator[str]:
    """Questions and solutions of train problems, all levels alike."""
    problems = train_problems(Random(seed), count, _EVEN)
    return chain.from_iterable((problem.question, solution(problem)) for problem in problems)


def save(tokenizer: Tokenizer, folder: Path) -> None:
    """Write tokenizer.json and tokenizer_config.json."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": "<|bos|>",
        "eos_token": "<|eos|>",
        "pad_token": "<|pad|>",
        "model_max_length": CONTEXT,
        "clean_up_tokenization_spaces": False,
        "add_bos_token": False,
        "chat_template": CHAT_TEMPLATE,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=1) + "\n")


def main() -> None:
    """Train and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="a folder")
    parser.add_argument("--problems", type=int, default=40_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    save(train_tokenizer(texts_of(options.problems, options.seed)), options.out)


if __name__ == "__main__":
    main()
