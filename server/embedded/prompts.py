"""From a problem to the tokens of its prompt, the same for the generator and the verifier."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache

from router.types import Message, Problem

from .tokenizer import Tokenizer

LONGEST_QUESTION = 2_000
"""Characters; a longer text is no question of the family, and is not searched for one."""

_SHORT = 20_000


class Prompts:
    """Encodes problems: the last question alone, since the models were trained on single questions.

    A tolerant variant of a known question is put into the words the models were trained on.
    """

    def __init__(self, tokenizer: Tokenizer, canonical: Callable[[str], str]) -> None:
        self._tokenizer, self._canonical = tokenizer, canonical
        # A search asks for the same prompt again and again.
        self._encode = lru_cache(maxsize=128)(self._encode_messages)

    async def ids(self, problem: Problem) -> tuple[int, ...]:
        """Return the prompt's tokens. Raises ValueError when the chat template does not take the conversation."""
        if sum(len(message.content) for message in problem.messages) <= _SHORT:
            return self._encode(problem.messages)
        # Too long to encode between two turns of the event loop, and too large to keep.
        return await asyncio.to_thread(self._encode_messages, problem.messages)

    def _encode_messages(self, messages: tuple[Message, ...]) -> tuple[int, ...]:
        question = next((m for m in reversed(messages) if m.role == "user"), None)
        if question is None:
            return self._tokenizer.prompt(messages)
        if len(question.content) <= LONGEST_QUESTION:
            question = replace(question, content=self._canonical(question.content))
        return self._tokenizer.prompt((question,))
