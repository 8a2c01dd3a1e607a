"""What the books say to a request: the same whether they are kept here or in Redis."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from .key import Key, KeyLimits
from .quota import Exhausted, What, Window

SECONDS: Mapping[Window, int] = {"minute": 60, "day": 86400}


class Bound(NamedTuple):
    """One limit of a key."""

    what: What
    window: Window
    limit: int | None


def bounds(limits: KeyLimits) -> tuple[Bound, Bound, Bound, Bound]:
    """Return the limits in the order in which they are looked at: what refuses for longest comes first."""
    return (
        Bound("requests", "day", limits.requests_per_day),
        Bound("compute", "day", limits.compute_per_day),
        Bound("requests", "minute", limits.requests_per_minute),
        Bound("compute", "minute", limits.compute_per_minute),
    )


@dataclass(frozen=True, slots=True)
class Ruling:
    """What became of a request.

    `refused` is the place, from 1, of the bound that has too little left; 0: none. `granted` is compute in tokens.
    `used` is what has been charged, of each bound. `now` is the time of the books, in Unix seconds, and `day` and
    `minute` are the windows by their numbers: the seconds of their beginning, divided by their length.
    """

    refused: int
    granted: int
    now: float
    day: int
    minute: int
    used: tuple[int, int, int, int]

    def left_of(self, window: Window) -> float:
        """Return the seconds until a window ends."""
        number = self.day if window == "day" else self.minute
        return max(0.0, (number + 1) * SECONDS[window] - self.now)


def check(ruling: Ruling, key: Key, least: int) -> None:
    """Raise Exhausted where the request was refused."""
    if ruling.refused:
        what, window, limit = bounds(key.limits)[ruling.refused - 1]
        asked = 1 if what == "requests" else least
        raise Exhausted(what, window, limit or 0, ruling.left_of(window), asked)


def headers(ruling: Ruling, key: Key) -> dict[str, str]:
    """Return the headers that tell a client what is left, in OpenAI's names; compute is told as tokens."""
    rows = [
        (bound, max(0, bound.limit - used))
        for bound, used in zip(bounds(key.limits), ruling.used, strict=True)
        if bound.limit is not None
    ]
    return dict(_headers(rows, ruling))


def _headers(rows: list[tuple[Bound, int]], ruling: Ruling) -> Iterator[tuple[str, str]]:
    kinds: tuple[tuple[What, str], ...] = (("requests", "requests"), ("compute", "tokens"))
    for what, noun in kinds:
        tightest = min(
            ((bound, left) for bound, left in rows if bound.what == what),
            key=lambda row: row[1] / (row[0].limit or 1),
            default=None,
        )
        if tightest:
            bound, left = tightest
            yield f"x-ratelimit-limit-{noun}", str(bound.limit)
            yield f"x-ratelimit-remaining-{noun}", str(left)
            yield f"x-ratelimit-reset-{noun}", _duration(ruling.left_of(bound.window))


def _duration(seconds: float) -> str:
    """Write a time as OpenAI does: 6m0s, 850ms."""
    if seconds < 1:
        return f"{seconds * 1000:.0f}ms"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes}m{rest}s" if hours else f"{minutes}m{rest}s" if minutes else f"{rest}s"
