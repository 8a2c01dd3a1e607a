"""What a family needs of a tokenizer: text to tokens with their places in the text, and the chat template.

Read from a folder with a `tokenizer.json` without transformers, or from anything `AutoTokenizer` loads: the same
tokens either way. Truncation and padding that a tokenizer.json may have kept from training are taken out.
"""

import json
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, cast

from jinja2 import TemplateError
from tokenizers import Tokenizer

from .chat_template import ChatTemplate

Ids = tuple[int, ...]

_PLAIN = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized", "special"), False)
"""What a token is that settings say no more of."""


class TokensError(ValueError):
    """There is no usable tokenizer here, or it lacks what a family needs."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """Tokens of a text; `starts` has the index of the first character of each, in ascending order."""

    ids: Ids
    starts: tuple[int, ...]

    def at(self, character: int) -> int:
        """Return the index of the token that a character of the text is in, the last one where several share it."""
        return bisect_right(self.starts, character) - 1


class Tokens:
    """A tokenizer with its chat template. Raises TokensError."""

    def __init__(self, backend: str, settings: Mapping[str, Any], template: str | None) -> None:
        """Take the text of a tokenizer.json, the settings beside it, and a chat template if there is one."""
        try:
            spec: dict[str, Any] = json.loads(backend) | {"truncation": None, "padding": None}
            whole = Tokenizer.from_str(json.dumps(spec))
            # Some post-processors take blanks off the offsets, and all of them add tokens that nobody asked for.
            self._backend = Tokenizer.from_str(json.dumps(spec | {"post_processor": None}))
        except Exception as error:  # the tokenizers library raises bare Exceptions
            raise TokensError(f"cannot use the tokenizer: {error}") from error
        self._template = template
        self._named = {
            name: text for name in settings if (text := _content(settings[name])) and name.endswith("_token")
        }
        self._special = tuple(a.content for a in self._backend.get_added_tokens_decoder().values() if a.special)
        self.opening = self._opening(whole, settings.get("add_bos_token"))

    @classmethod
    def load(cls, model: str | Path) -> "Tokens":
        """Load from a folder, or by the name of a model on the Hugging Face hub (transformers downloads it)."""
        folder = Path(model)
        if (folder / "tokenizer.json").is_file():
            return cls._from_folder(folder)
        try:
            from transformers import AutoTokenizer

            return cls.of(AutoTokenizer.from_pretrained(str(model)))  # pyright: ignore[reportUnknownMemberType]
        except ImportError as error:
            raise TokensError(
                f"{model} is no folder with a tokenizer.json; else: pip install 'cogitate[prm]'"
            ) from error
        except (OSError, ValueError) as error:
            raise TokensError(f"cannot load a tokenizer from {model}: {error}") from error

    @classmethod
    def of(cls, tokenizer: Any) -> "Tokens":
        """Take over what a fast tokenizer of transformers knows."""
        backend = getattr(tokenizer, "backend_tokenizer", None)
        if backend is None:
            raise TokensError(f"{type(tokenizer).__name__} has no fast tokenizer")
        names = [name for name in ("bos_token", "eos_token", "pad_token", "unk_token") if getattr(tokenizer, name)]
        settings = {name: getattr(tokenizer, name) for name in names}
        template: str | None = tokenizer.get_chat_template() if tokenizer.chat_template else None
        return cls(backend.to_str(), settings, template)

    @classmethod
    def _from_folder(cls, folder: Path) -> "Tokens":
        try:
            settings: dict[str, Any] = json.loads(_read(folder / "tokenizer_config.json") or "{}")
            backend = _with_declared((folder / "tokenizer.json").read_text(encoding="utf-8"), settings)
        except (OSError, ValueError, AttributeError, TypeError, LookupError) as error:
            raise TokensError(f"cannot read the tokenizer in {folder}: {error}") from error
        template = _read(folder / "chat_template.jinja") or _default_template(settings.get("chat_template"))
        return cls(backend, settings, template)

    @property
    def can_chat(self) -> bool:
        """Whether there is a chat template. Raises TokensError for one that cannot be used."""
        return self._chat is not None

    @cached_property
    def _chat(self) -> ChatTemplate | None:
        """Made when it is asked for: not every family needs it."""
        try:
            return ChatTemplate(self._template) if self._template else None
        except TemplateError as error:
            raise TokensError(f"cannot use the chat template: {error}") from error

    @property
    def bos(self) -> str:
        """The text of the token that begins a sequence; empty where there is none."""
        return self._named.get("bos_token", "")

    @property
    def eos(self) -> int:
        """The token that ends an answer. Raises TokensError."""
        return self.id_of(self._named.get("eos_token", ""))

    def id_of(self, token: str) -> int:
        """Return the id of a vocabulary entry. Raises TokensError when there is none."""
        if (index := self._backend.token_to_id(token)) is None:
            raise TokensError(f"the vocabulary has no token {token!r}")
        return index

    def encode(self, text: str) -> Encoded:
        """Encode text as it stands, special tokens in it included: nothing is put around it."""
        encoding = self._backend.encode(text, add_special_tokens=False)
        return Encoded(tuple(encoding.ids), tuple(start for start, _ in encoding.offsets))

    def last_of(self, text: str) -> int:
        """Return the last token of a text."""
        return self.encode(text).ids[-1]

    def chat(self, turns: Sequence[tuple[str, str]], *, answer_follows: bool = False) -> str:
        """Render (role, content) turns, and the opening of an answer if one follows. Raises ValueError."""
        if self._chat is None:
            raise TokensError("the tokenizer has no chat template")
        try:
            return self._chat.render(turns, answer_follows=answer_follows, **self._named)
        except TemplateError as error:
            raise ValueError(f"the chat template does not take this conversation: {error}") from error

    def defused(self, text: str, more: Iterable[str] = ()) -> str:
        """Break up special tokens, and `more`, that a text contains: they must not open a turn or end a step."""
        for special in (*self._special, *more):
            text = text.replace(special, f"{special[0]} {special[1:]}")
        return text

    def _opening(self, whole: Tokenizer, add_bos: bool | None) -> Ids:
        """Return what the tokenizer puts in front of a plain text: mostly nothing, or the beginning of a sequence."""
        plain, full = self.encode("a").ids, tuple(whole.encode("a").ids)
        opening = next((full[:i] for i in range(len(full)) if full[i : i + len(plain)] == plain), ())
        if add_bos is None or not self.bos:
            return opening
        return (self.id_of(self.bos),) if add_bos else ()


def _content(value: Any) -> str | None:
    """Return the text of a token that settings name, either as a text or as a mapping with one."""
    if isinstance(value, Mapping):
        value = value.get("content")  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    return value if isinstance(value, str) else None


def _with_declared(backend: str, settings: Mapping[str, Any]) -> str:
    """Add to a tokenizer.json the tokens that only the settings beside it declare, by their ids."""
    declared: dict[str, dict[str, Any]] = settings.get("added_tokens_decoder") or {}
    if not declared:
        return backend
    spec: dict[str, Any] = json.loads(backend)
    known = {token["content"] for token in spec.get("added_tokens") or ()}
    missing = [{**_PLAIN, **token, "id": int(i)} for i, token in declared.items() if token["content"] not in known]
    return json.dumps(spec | {"added_tokens": [*(spec.get("added_tokens") or ()), *missing]})


def _default_template(value: Any) -> str | None:
    """Return the chat template that settings have: a text, or the default of several named ones."""
    if isinstance(value, list):
        entries = cast("list[dict[str, str]]", value)
        return next((entry["template"] for entry in entries if entry["name"] == "default"), None)
    return value if isinstance(value, str) else None


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None
