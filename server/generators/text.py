"""The text of one sample while it is written: where a stop string or a step ends it."""

from collections.abc import Callable, Sequence

from router.types import Finish

SEPARATOR = "\n\n"
"""What ends a step."""


class Text:
    """Ends at a stop string of the client's or, where `steps`, at the first blank line behind words, which it keeps.

    `before` is the text this one continues: a stop string may begin in it. What is cut is this text only. `emit`
    gets what no stop string can take back any more.
    """

    def __init__(
        self,
        stops: Sequence[str] = (),
        *,
        steps: bool = False,
        before: str = "",
        emit: Callable[[str], None] | None = None,
    ) -> None:
        self._stops, self._steps, self._emit = tuple(stop for stop in stops if stop), steps, emit
        self._reach = max([*map(len, self._stops), len(SEPARATOR) if steps else 1]) - 1
        self._tail = before[max(len(before) - self._reach, 0) :]
        self._free = not (self._stops or self._steps)
        self._parts = list[str]()
        self._length = 0
        self._held = ""
        self.surplus = 0
        """Characters that came behind the end, and were cut."""
        self.blank = True
        """Whether no word has come yet. Known only where there are steps."""

    def __str__(self) -> str:
        if len(self._parts) > 1:
            self._parts = ["".join(self._parts)]
        return self._parts[0] if self._parts else ""

    def push(self, piece: str) -> Finish | None:
        """Add a piece; return what it has ended the sample with."""
        self._parts.append(piece)
        before, self._length = self._length, self._length + len(piece)
        if self._free:  # what nothing can end is passed on as it is
            if self._emit is not None and piece:
                self._emit(piece)
            return None
        finish = None
        window = self._tail + piece
        found = self._found(window, len(self._tail), self._words(piece, before) if self._steps else None)
        if found:
            finish, end = found
            self._cut(max(0, before - len(self._tail) + end))
        self._tail = window[max(len(window) - self._reach, 0) :]
        if self._emit is not None:
            self._held += piece
            self._release(self.surplus, 0 if finish else self._doubtful())
        return finish

    def close(self) -> str:
        """Return the whole text, and emit what was held back."""
        self._release(0, 0)
        return str(self)

    def _words(self, piece: str, before: int) -> int:
        """Return from where in `piece` a blank line ends the step: negative where it may have begun before it."""
        if not self.blank:
            return -min(before, len(SEPARATOR) - 1)
        lead = len(piece) - len(piece.lstrip())
        self.blank = lead == len(piece)
        return lead

    def _found(self, window: str, seen: int, words: int | None) -> tuple[Finish, int] | None:
        """Return what ends in the new part of `window`, and where the text is cut.

        A stop string that begins before the end of the step wins over it. The step's end lies in this text alone,
        behind its first word: the blank line that ended the step before, or is repeated, counts no second time.
        """
        hits = [window.find(stop, max(0, seen - len(stop) + 1)) for stop in self._stops]
        stop = min((hit for hit in hits if hit >= 0), default=-1)
        step = -1 if words is None else window.find(SEPARATOR, max(0, seen + words))
        if stop >= 0 and (step < 0 or stop < step + len(SEPARATOR)):
            return Finish.EOS, stop
        return (Finish.STEP, step + len(SEPARATOR)) if step >= 0 else None

    def _cut(self, length: int) -> None:
        self._parts = [str(self)[:length]]
        self.surplus, self._length = self._length - length, length

    def _doubtful(self) -> int:
        """Return how many of the last characters may be the beginning of a stop string."""
        tail = self._tail
        begun = (n for n in range(len(tail), 0, -1) if any(stop.startswith(tail[-n:]) for stop in self._stops))
        return min(next(begun, 0), self._length)

    def _release(self, cut: int, doubtful: int) -> None:
        """Emit what is held, without the last `cut` characters, and keep the `doubtful` ones before them."""
        held = self._held[: max(0, len(self._held) - cut)]
        self._held = held[len(held) - doubtful :]
        if self._emit is not None and len(held) > doubtful:
            self._emit(held[: len(held) - doubtful])
