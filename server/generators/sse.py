"""Server-sent events, as far as completions use them: bytes in any pieces to the data of each event.

After "Server-sent events" in the HTML standard, section 9.2.6: lines end with CRLF, LF or CR, an event with a blank
line; data lines are joined by LF; comments and other fields are skipped; an event cut off by the end is dropped.
Everything stays bytes, so that no character is ever split.
"""

LARGEST = 16 * 2**20
"""Bytes of one event: more than that without a blank line is no event stream."""

DONE = b"[DONE]"
"""What stands in the last event of a completion."""


class EventTooLarge(ValueError):
    """The stream goes on and on without ending an event."""


class Events:
    """The state between two pieces of one stream."""

    def __init__(self) -> None:
        self._rest = b""
        self._begun = False
        self._after_return = False

    def feed(self, piece: bytes) -> list[bytes]:
        """Return the data of every event that `piece` completes. Raises EventTooLarge."""
        if not self._begun:
            piece = self._without_mark(piece)
            if not self._begun:
                return []
        if self._after_return or b"\r" in piece:
            piece = self._with_line_feeds(piece)
        # What was kept has no blank line in it, so only its last byte can be a part of one.
        if self._rest and b"\n\n" not in self._rest[-1:] + piece:
            self._keep(self._rest + piece)
            return []
        *events, rest = (self._rest + piece).split(b"\n\n")
        self._keep(rest)
        return [data for event in events if (data := _data(event)) is not None]

    def _without_mark(self, piece: bytes) -> bytes:
        """Take a byte order mark off the start; while it may still be one, keep it."""
        start, self._rest, mark = self._rest + piece, b"", b"\xef\xbb\xbf"
        if len(start) < len(mark) and mark.startswith(start):
            self._rest = start
            return b""
        self._begun = True
        return start.removeprefix(mark)

    def _with_line_feeds(self, piece: bytes) -> bytes:
        """Make every line end one LF: a CR at the end of the last piece may have been half of a CRLF."""
        if not piece:
            return piece
        after_return, self._after_return = self._after_return, piece.endswith(b"\r")
        if after_return:
            piece = piece.removeprefix(b"\n")
        return piece.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _keep(self, rest: bytes) -> None:
        if len(rest) > LARGEST:
            raise EventTooLarge(f"an event of more than {LARGEST} bytes")
        self._rest = rest


def _data(event: bytes) -> bytes | None:
    """Return the data lines of one event, joined; None where it has none."""
    if event.startswith(b"data: ") and b"\n" not in event:
        return event[6:]
    lines = [line for line in event.split(b"\n") if _is_data(line)]
    return b"\n".join(line[5:].removeprefix(b" ") for line in lines) if lines else None


def _is_data(line: bytes) -> bool:
    """Return whether a line is data: one without a colon is a field name with an empty value."""
    return line == b"data" or line.startswith(b"data:")
