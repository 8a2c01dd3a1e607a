"""How fast requests get through, which tells those turned away when to come back."""

_PACE = 0.1
_SOONEST, _LATEST = 1.0, 60.0


class Pace:
    """A moving mean of the time between two requests that leave, while any are there at all. Times in seconds."""

    def __init__(self) -> None:
        self._last = 0.0
        self._between: float | None = None

    def begins(self, now: float) -> None:
        """Note that the first request is there: the time in which nobody was there to leave does not count."""
        self._last = now

    def leaves(self, now: float) -> None:
        """Note that a request has left."""
        between = now - self._last
        self._between = between if self._between is None else self._between + _PACE * (between - self._between)
        self._last = now

    def until(self, ahead: int, now: float) -> float:
        """Return the seconds until `ahead` requests should have left, from 1 to 60."""
        silence = now - self._last  # nothing leaves for long: then it is slower than it was
        return min(_LATEST, max(_SOONEST, ahead * max(self._between or 0.0, silence)))
