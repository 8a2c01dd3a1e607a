"""Text to tokens and back: the checkpoint's tokenizer and its chat template."""

import codecs
import json
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from jinja2 import TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment
from tokenizers import Tokenizer as HuggingFaceTokenizer

from router.types import Message

from .checkpoint import CheckpointError

_SEPARATOR = "\n\n"

IncrementalDecoder = Callable[[bytes], str]


class Tokenizer:
    """A byte-level BPE tokenizer with a chat template. Raises CheckpointError when the folder has no such thing."""

    def __init__(self, folder: Path) -> None:
        try:
            self._backend = HuggingFaceTokenizer.from_file(str(folder / "tokenizer.json"))
            self._settings: dict[str, Any] = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
            environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
            self._template = environment.from_string(self._settings["chat_template"])
            eos = self._backend.token_to_id(self._settings["eos_token"])
        except Exception as error:  # the tokenizers library raises bare Exceptions
            raise CheckpointError(f"cannot read the tokenizer in {folder}: {error}") from error
        if eos is None or len(self.encode(_SEPARATOR)) != 1:
            raise CheckpointError(f"{folder}: the blank line and the end of text must each be one token")
        self.eos: int = eos
        self.separator: int = self.encode(_SEPARATOR)[0]
        added = self._backend.get_added_tokens_decoder()
        self._special = {token.content: index for index, token in added.items() if token.special}
        self._bytes = self._bytes_of_tokens()

    @cached_property
    def banned(self) -> tuple[int, ...]:
        """Tokens that structure a prompt and have no place in an answer."""
        return tuple(sorted(index for index in self._special.values() if index != self.eos))

    @property
    def vocabulary(self) -> tuple[bytes, ...]:
        """What each token stands for."""
        return self._bytes

    def prompt(self, messages: Iterable[Message]) -> tuple[int, ...]:
        """Encode a conversation up to where the model's answer begins. Raises ValueError if it does not render."""
        turns = [{"role": message.role, "content": self._defused(message.content)} for message in messages]
        try:
            text = self._template.render(
                messages=turns,
                add_generation_prompt=True,
                bos_token=self._settings.get("bos_token", ""),
                eos_token=self._settings["eos_token"],
            )
        except TemplateError as error:
            raise ValueError(f"the chat template does not take this conversation: {error}") from error
        return self.encode(text)

    def encode(self, text: str) -> tuple[int, ...]:
        """Encode text as it stands: nothing is put around it."""
        return tuple(self._backend.encode(text, add_special_tokens=False).ids)

    def decode(self, ids: Sequence[int]) -> str:
        """Decode tokens; special ones have no text, and half a character at the end is left out."""
        return self.incremental()(b"".join(map(self._bytes.__getitem__, ids)))

    def bytes_of(self, token: int) -> bytes:
        """Return what one token stands for: not always whole characters."""
        return self._bytes[token]

    def knows(self, ids: Sequence[int]) -> bool:
        """Return whether all ids are in the vocabulary."""
        return all(0 <= token < len(self._bytes) for token in ids)

    @staticmethod
    def incremental() -> IncrementalDecoder:
        """Return a decoder that keeps half a character back until the rest of it comes."""
        return codecs.getincrementaldecoder("utf-8")("replace").decode

    def _defused(self, content: str) -> str:
        """Break up special tokens that a user has typed: they must not open a turn of their own."""
        for special in self._special:
            content = content.replace(special, f"{special[0]} {special[1:]}")
        return content

    def _bytes_of_tokens(self) -> tuple[bytes, ...]:
        alphabet = _byte_alphabet()
        tokens = [b""] * self._backend.get_vocab_size()
        for text, index in self._backend.get_vocab().items():
            if text not in self._special:
                tokens[index] = bytes(alphabet[character] for character in text)
        return tuple(tokens)


def _byte_alphabet() -> dict[str, int]:
    """Map the characters in which a byte-level BPE writes its vocabulary to the bytes they stand for.

    A printable Latin-1 character stands for itself, the other bytes in order for U+0100 and up (GPT-2's encoding,
    Radford et al. 2019).
    """
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + i): byte for i, byte in enumerate(others)}
