"""A retry budget: trying again must not become the load that keeps a pool down."""

from .clock import Clock, loop_time

_FLOOR = 3.0  # retries even a quiet pool has
_REFILL = 10.0  # seconds in which the floor comes back
_MOST = 100.0  # what a busy pool can save up


class Retries:
    """A token bucket: each call puts `ratio` of a token in, each retry takes one out.

    A quiet pool has three retries in ten seconds. What an ejected replica had under way is credited in full: asking
    for it elsewhere only moves load, and happens once.
    """

    def __init__(self, ratio: float, clock: Clock = loop_time) -> None:
        self._ratio, self._clock = ratio, clock
        self._tokens = _FLOOR
        self._refilled_at: float | None = None

    @property
    def tokens(self) -> float:
        """How many retries are left."""
        now = self._clock()
        if self._refilled_at is not None and self._tokens < _FLOOR:
            self._tokens = min(_FLOOR, self._tokens + (now - self._refilled_at) * _FLOOR / _REFILL)
        self._refilled_at = now
        return self._tokens

    def called(self) -> None:
        """Put in what a call earns."""
        self._tokens = max(self._tokens, min(self._tokens + self._ratio, _MOST))

    def credit(self, calls: int) -> None:
        """Put in one token for each of the calls an ejected replica had under way."""
        self._tokens += calls

    def take(self) -> bool:
        """Take one out. False if there is none."""
        if self.tokens < 1:
            return False
        self._tokens -= 1
        return True
