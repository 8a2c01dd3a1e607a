"""A circuit breaker: it keeps calls from what fails, and lets one through now and then to see whether it is well."""

from enum import StrEnum
from random import Random

from .clock import Clock

_PATIENCE = 3  # lighter failures in a row
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 30.0  # seconds


class State(StrEnum):
    """Whether calls pass."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


class Breaker:
    """Closed until it fails; open for 1 s, doubled after each failed trial up to 30 s; then half-open for a trial.

    The pauses are jittered, so that several gateways do not try again in step. `era` counts the openings: what a call
    from an earlier era has to tell is no news. `trying` says that a trial is under way.
    """

    def __init__(self, clock: Clock, random: Random) -> None:
        self._clock, self._random = clock, random
        self._until: float | None = None
        self._pause = _FIRST_PAUSE
        self.failures = 0
        self.grave = False
        self.era = 0
        self.trying = False

    @property
    def state(self) -> State:
        """Where the breaker is now."""
        if self._until is None:
            return State.CLOSED
        return State.OPEN if self._clock() < self._until else State.HALF_OPEN

    @property
    def left(self) -> float:
        """Seconds until a trial is allowed, 0 if it is now."""
        return 0.0 if self._until is None else max(0.0, self._until - self._clock())

    def failed(self, *, grave: bool) -> bool:
        """Count a failure. Return whether to open: after a grave one, several in a row, or a failed trial."""
        self.failures += 1
        self.grave = grave
        return grave or self.failures >= _PATIENCE or self.state is State.HALF_OPEN

    def open(self) -> None:
        """Let no call through for a while."""
        self.era += 1
        self.trying = False
        self._until = self._clock() + self._pause * self._random.uniform(0.8, 1.2)
        self._pause = min(2 * self._pause, _LONGEST_PAUSE)

    def half_open(self) -> None:
        """Let nothing but a trial through, and that now."""
        self.era += 1
        self.trying = False
        self._until = self._clock()

    def heard(self) -> None:
        """Close on probation: a trial has begun to answer, which is enough to let others in, but not to forgive."""
        if self.state is State.HALF_OPEN:
            self._until, self.trying, self.failures = None, False, _PATIENCE - 1

    def succeeded(self) -> None:
        """Close: a call went well."""
        self._until, self.trying, self.failures, self._pause = None, False, 0, _FIRST_PAUSE
