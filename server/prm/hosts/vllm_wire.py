"""What is asked of vLLM to read a head, and what its reply says. Pure: bytes in, numbers out.

Written against vLLM 0.32: `/pooling` of its pooling runner, and `prompt_logprobs` of `/v1/completions`.
"""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
import orjson

from ..ports import Floats, Head, HostError, Passage, TokenLogits, TokenLogprobs

_START = 'start it with --pooler-config \'{"task": "token_classify", "tok_pooling_type": "ALL"}\''


class Garbled(Exception):
    """The reply is not what vLLM answers."""


class Pooling:
    """Reads a classification head, or single logits of a language model that is served as a classifier.

    `width` is how many numbers there must be in a row, None where only the model knows.
    """

    path = "/pooling"
    spare = 0
    """Tokens of the context that a passage cannot have."""

    def __init__(self, width: int | None = None) -> None:
        self._width = width

    def ask(self, model: str, passages: Sequence[Passage]) -> bytes:
        """Return the body of a call. `use_activation` would turn the scores into shares that say less."""
        return orjson.dumps({"model": model, "input": [p.tokens for p in passages], "use_activation": False})

    def tell(self, passages: Sequence[Passage], reply: bytes) -> list[Floats]:
        """Return (reads, width) for each passage. Raises Garbled, or HostError where the model is served otherwise."""
        found = _in_order(reply, "data", len(passages))
        return [self._rows(passage, entry) for passage, entry in zip(passages, found, strict=True)]

    def _rows(self, passage: Passage, entry: Mapping[str, Any]) -> Floats:
        try:
            rows = np.asarray(entry["data"], np.float32)
        except (KeyError, TypeError, ValueError) as error:
            raise Garbled("the server's numbers are no table") from error
        if rows.ndim == 1 and rows.size:
            if passage.reads != (len(passage.tokens) - 1,):
                raise HostError(f"the server reads a text once, at its end: {_START}")
            rows = rows.reshape(1, -1)
        else:
            rows = _at(passage, rows)
        if self._width not in {None, rows.shape[1]}:
            raise HostError(
                f"the server gives {rows.shape[1]} numbers where {self._width} are read: "
                "it is not started as a classifier of these tokens"
            )
        return rows


class PromptLogprobs:
    """Reads the log-probabilities a language model gave to the tokens of a prompt."""

    path = "/v1/completions"
    spare = 1  # vLLM always generates a token
    """Tokens of the context that a passage cannot have."""

    def ask(self, model: str, passages: Sequence[Passage]) -> bytes:
        """Return the body of a call."""
        prompts = [p.tokens for p in passages]
        return orjson.dumps(
            {"model": model, "prompt": prompts, "max_tokens": 1, "temperature": 0, "prompt_logprobs": 0}
        )

    def tell(self, passages: Sequence[Passage], reply: bytes) -> list[Floats]:
        """Return (reads, 1) for each passage. Raises Garbled, or HostError for what cannot be read so."""
        found = _in_order(reply, "choices", len(passages))
        return [self._column(passage, choice) for passage, choice in zip(passages, found, strict=True)]

    def _column(self, passage: Passage, choice: Mapping[str, Any]) -> Floats:
        if 0 in passage.reads:
            raise HostError("the first token of a text has no log-probability")
        entries: Any = choice.get("prompt_logprobs")
        if entries is None:
            raise HostError("the server does not tell the log-probabilities of a prompt")
        try:
            values = [entries[read][str(passage.tokens[read])]["logprob"] for read in passage.reads]
            return np.asarray(values, np.float32).reshape(-1, 1)
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise Garbled("the server's log-probabilities are not those of the prompt") from error


Readout = Pooling | PromptLogprobs


def readout(head: Head) -> Readout:
    """Return how vLLM is asked for `head`."""
    if isinstance(head, TokenLogprobs):
        return PromptLogprobs()
    return Pooling(len(head.ids) if isinstance(head, TokenLogits) else None)


def _at(passage: Passage, rows: Floats) -> Floats:
    """Return the rows of the passage's reads, from a server that pools ALL tokens, or only the STEP tags.

    The tag is the server's setting and not told. It can only be the one token that is read everywhere, and that occurs
    nowhere else: rows of other tokens would be as many and mean something else.
    """
    if rows.ndim == 2 and len(rows) == len(passage.tokens):
        return rows[list(passage.reads)]
    tags = {passage.tokens[read] for read in passage.reads}
    if len(rows) == len(passage.reads) and len(tags) == 1 and passage.tokens.count(*tags) == len(rows):
        return rows
    raise HostError(
        f"the server reads {len(rows)} of {len(passage.tokens)} tokens, and not the {len(passage.reads)} that are "
        f"wanted: {_START}"
    )


def _in_order(reply: bytes, field: str, count: int) -> list[Mapping[str, Any]]:
    """Return the `count` entries of a reply's list, by their index. Raises Garbled."""
    try:
        entries = cast("list[Mapping[str, Any]]", orjson.loads(reply)[field])
        found = {int(entry["index"]): entry for entry in entries}
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        raise Garbled("the server's reply is not one of vLLM's") from error
    if len(entries) != count or found.keys() != set(range(count)):
        raise Garbled(f"the server's reply has {len(entries)} entries for {count} texts")
    return [found[index] for index in range(count)]
