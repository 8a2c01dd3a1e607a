"""One sample while a server writes it, whichever server that is, and however often it changes."""

from collections.abc import Callable, Mapping
from typing import Any

from router.ports import Draw
from router.types import Finish, Sample
from server.upstream import Failed

from .reply import Piece
from .text import SEPARATOR, Text


class Writing:
    """Sample `index` of a draw: what has come of it, and what ended it.

    Without `steps` it goes on to the end of the answer even where a step was ordered: its server could not continue
    from there. Tokens that come after its end, from a server that does not know that, are charged, not kept.
    """

    def __init__(
        self, index: int, draw: Draw, *, steps: bool = True, emit: Callable[[str], None] | None = None
    ) -> None:
        self.index, self.seed = index, draw.seed + index
        self.tokens = 0
        self.failures = 0
        """Calls for it that have failed."""
        self.finish: Finish | None = None
        self.settled = False
        """Whether it has been delivered, or given up."""
        self.over = False
        """Whether the server has ended it."""
        self.bounded = True
        """Whether its server has been told how many tokens it may get."""
        self.paused = False
        """Whether the server has ended it at a blank line before its first word: a further call goes on with it."""
        self._draw = draw
        self._steps = steps and not draw.whole
        self._text = Text(draw.problem.stop, steps=self._steps, before=draw.prefix.text, emit=emit)
        self._ids = list[int]()
        self._repeats = draw.prefix.text.endswith(SEPARATOR)
        self._resumed = self._resumed_at = 0
        self._torn = False
        self._logprobs = list[Mapping[str, Any]]()

    @property
    def begun(self) -> bool:
        """Whether anything has come."""
        return self.tokens > 0

    @property
    def open(self) -> bool:
        """Whether more is to come in the present call."""
        return self.finish is None and not self.paused

    @property
    def exact(self) -> bool:
        """Whether nobody needs to count its tokens: there are some, with their ids."""
        return self.begun and self.counted

    @property
    def full(self) -> bool:
        """Whether its server says that it has all tokens it may get, though nobody has counted so many."""
        return self.finish is Finish.LENGTH and self.over and self.bounded and not self.exact

    @property
    def counted(self) -> bool:
        """Whether the number of its tokens is certain: their ids are there."""
        return len(self._ids) == self.tokens

    @property
    def most(self) -> int:
        """Tokens it may still get."""
        return self._draw.max_tokens - self.tokens

    @property
    def text(self) -> str:
        """All text behind the prompt."""
        return self._draw.prefix.text + str(self._text)

    @property
    def ids(self) -> tuple[int, ...] | None:
        """The tokens of all text behind the prompt; None where they are not known exactly."""
        prefix = self._draw.prefix
        exact = self.counted and not self._torn and len(prefix.ids) == prefix.tokens
        return (*prefix.ids, *self._ids) if exact else None

    @property
    def written(self) -> int:
        """Tokens behind the prompt."""
        return self._draw.prefix.tokens + self.tokens

    def take(self, piece: Piece) -> None:
        """Add what has come. Raises Failed when the server gave the sample up."""
        _, text, tokens, ids, finish, stop, logprobs = piece
        self.over = self.over or finish is not None
        if self.open and tokens and self.tokens >= self._draw.max_tokens:
            self.finish = Finish.LENGTH  # for servers that do not know max_tokens
        if not self.open:
            return
        self.tokens += tokens
        self._ids += ids
        if self._repeats and text and not ids:  # a template that trims what is continued has the blank line come again
            text = text.lstrip("\n")
            self._repeats = not text
        if logprobs:
            self._logprobs += logprobs
        if text and (ended := self._text.push(text)):
            self.finish = ended
            self._torn = self._text.surplus > 0  # the ids go further than the text
        elif finish:
            self._end(finish, stop)

    def resume(self) -> None:
        """Note that a new call begins: its server counts from here."""
        self._resumed, self._resumed_at = self.tokens, len(str(self._text))
        self.over = self.paused = False

    def recount(self, tokens: int) -> int:
        """Correct the tokens of the present call to what its server has counted. Return the correction.

        No count takes it beyond what was ordered.
        """
        correction = min(self._resumed + tokens, self._draw.max_tokens) - self.tokens
        self.tokens += correction
        return correction

    def sample(self) -> Sample:
        """Return what has been written; cut, where nothing else has ended it."""
        wanted = self._draw.problem.extra.get("top_logprobs") or 0
        return Sample(
            text=self._text.close(),
            tokens=self.tokens,
            finish=self.finish or Finish.LENGTH,
            ids=tuple(self._ids) if self.counted and not self._torn else (),
            logprob=float(sum(entry.get("logprob") or 0.0 for entry in self._logprobs)),
            logprobs=tuple(_entry(entry, wanted) for entry in self._logprobs),
        )

    def _end(self, reason: str, stop: Any) -> None:
        if reason in ("abort", "error"):
            raise Failed(500, f"the server ended the sample with {reason}")
        if reason == "length":
            self.finish = Finish.LENGTH
        elif stop == SEPARATOR and self._steps and SEPARATOR not in self._draw.problem.stop:
            self._end_step()
        else:
            self.finish = Finish.EOS

    def _end_step(self) -> None:
        """Stop where the server has stopped. A step of no words goes on, unless its server adds nothing to it."""
        if SEPARATOR not in str(self._text)[self._resumed_at :]:
            self._text.push(SEPARATOR)  # it has kept to itself what ended the step
            if self._logprobs and not self._logprobs[-1].get("token"):
                self._logprobs[-1] = {**self._logprobs[-1], "token": SEPARATOR, "bytes": list(SEPARATOR.encode())}
        self.paused = self._text.blank and self.tokens > self._resumed
        if not self.paused:
            self.finish = Finish.EOS if self._text.blank else Finish.STEP


def _entry(entry: Mapping[str, Any], wanted: int) -> Mapping[str, Any]:
    """Return what OpenAI says of a token, with no more alternatives than `wanted`."""
    said = {name: entry.get(name) for name in ("token", "logprob", "bytes")}
    return {**said, "top_logprobs": (entry.get("top_logprobs") or [])[:wanted]}
