"""The text of one row while it grows: for stop strings and for streaming."""

from collections.abc import Callable, Sequence

from .tokenizer import Tokenizer


class Transcript:
    """Decodes token by token, ends at a stop string, and emits text that no stop string can take back any more.

    `before` is the text the row continues: a stop string may begin in it. What is cut is the row's own text only.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        stops: Sequence[str] = (),
        before: str = "",
        emit: Callable[[str], None] | None = None,
    ) -> None:
        self._tokenizer = tokenizer
        self._decode = tokenizer.incremental()
        self._stops = tuple(stop for stop in stops if stop)
        self._reach = max(map(len, self._stops), default=1) - 1
        tail = before[max(len(before) - self._reach, 0) :]
        self._start, self._text = len(tail), tail
        self._emit = emit
        self._emitted = self._start
        self.stopped = False

    @property
    def text(self) -> str:
        """The row's text so far, cut before a stop string."""
        return self._text[self._start :]

    def push(self, token: int) -> bool:
        """Add a token; return whether its text completed a stop string."""
        searched = len(self._text)
        self._text += self._decode(self._tokenizer.bytes_of(token))
        found = [self._text.find(stop, max(searched - self._reach, 0)) for stop in self._stops]
        if hits := [position for position in found if position >= 0]:
            self._text = self._text[: max(min(hits), self._start)]
            self.stopped = True
        self._release(len(self._text) - (0 if self.stopped else self._doubtful()))
        return self.stopped

    def finish(self) -> None:
        """Emit what was held back: the row has ended."""
        self._release(len(self._text))

    def _doubtful(self) -> int:
        """Return how many of the last characters may be the beginning of a stop string."""
        longest = min(self._reach, len(self._text))
        return next((n for n in range(longest, 0, -1) if any(s.startswith(self._text[-n:]) for s in self._stops)), 0)

    def _release(self, end: int) -> None:
        if self._emit is not None and end > self._emitted:
            self._emit(self._text[self._emitted : end])
            self._emitted = end
