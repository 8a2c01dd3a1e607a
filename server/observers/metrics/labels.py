"""What labels may say: few values each, known before the first request. Nothing a client invents gets through."""

from collections.abc import Iterable

from router.policy.names import STRATEGIES
from server.report import Outcome


class Label:
    """A label with known values; whatever else comes is written as `rest`."""

    def __init__(self, name: str, values: Iterable[str] = (), rest: str = "other") -> None:
        self.name, self.rest = name, rest
        self._values = dict.fromkeys(values)

    @property
    def values(self) -> tuple[str, ...]:
        """The known values, in their order."""
        return tuple(self._values)

    def know(self, value: str) -> None:
        """Let `value` be known from now on."""
        self._values[value] = None

    def of(self, value: str) -> str:
        """Return `value` where it is known, else the rest."""
        return value if value in self._values else self.rest


OUTCOME = Label("outcome", Outcome)
UNANSWERED = Label("outcome", (outcome for outcome in Outcome if outcome is not Outcome.ANSWERED))
STREAM = Label("stream", ("false", "true"))
STRATEGY = Label("strategy", (*STRATEGIES, "probe"))
"""`probe` where the samples of the probe were enough."""
STOPPED = Label("stopped", ("complete", "agreed", "budget", "deadline", "shutdown"))
PRESET = Label("preset", ("minimal", "low", "medium", "high", "max", "auto", "custom"))
LEVEL = Label("level", "12345")
SHED = Label("reason", ("queue_full", "queue_time", "starting", "draining", "key_requests", "key_compute", "quota"))
DEGRADED = Label("reason", ("scorer", "samples", "quota"))
STATE = Label("state", ("finished", "pruned", "lost", "aborted"))
CALL = Label("outcome", ("ok", "failed", "cancelled"))
ROLE = Label("role", ("generator", "scorer"))
STANDING = Label("state", ("up", "trial", "resting", "ejected", "dead"))
EJECTION = Label("reason", ("failed", "dead"))
RETRY = Label("outcome", ("taken", "refused"))
