"""The books of one process, in its memory."""

from collections.abc import Callable
from dataclasses import dataclass, field
from time import time

from .key import Key
from .quota import Reservation
from .ruling import SECONDS, Ruling, bounds, check, headers


@dataclass(slots=True)
class Account:
    """What one key has used in the current day and minute; `server/keys/reserve.lua` says the same for Redis.

    `open` are the reservations that are not settled: the minute of each, and what was granted.
    """

    day: int = -1
    minute: int = -1
    used: list[int] = field(default_factory=lambda: [0, 0, 0, 0])
    """Requests and compute of the day, requests and compute of the minute."""
    open: dict[int, tuple[int, int]] = field(default_factory=dict[int, tuple[int, int]])

    def reserve(self, number: int, key: Key, ask: int, least: int, now: float) -> Ruling:
        """Charge a request and compute, or nothing; see Quota.reserve."""
        day = max(int(now // SECONDS["day"]), self.day)  # a clock that goes back brings no old window back
        minute = max(int(now // SECONDS["minute"]), self.minute)
        used = [*(self.used[:2] if day == self.day else (0, 0)), *(self.used[2:] if minute == self.minute else (0, 0))]
        lefts = [None if b.limit is None else b.limit - u for b, u in zip(bounds(key.limits), used, strict=True)]
        for place, (left, needed) in enumerate(zip(lefts, (1, least, 1, least), strict=True), 1):
            if left is not None and left < needed:
                return _ruling(place, 0, now, day, minute, used)
        granted = _granted(ask, least, min((left for left in lefts[1::2] if left is not None), default=None))
        if day > self.day:
            self.open.clear()
        if key.limits.compute:
            self.open[number] = minute, granted
        self.day, self.minute = day, minute
        self.used = [u + more for u, more in zip(used, (1, granted, 1, granted), strict=True)]
        return _ruling(0, granted, now, day, minute, self.used)

    def settle(self, number: int, spent: int) -> None:
        """Charge what was spent instead of what was granted, if that is not done and its windows have not passed."""
        if number not in self.open:
            return
        minute, granted = self.open.pop(number)
        self.used[1] += spent - granted
        if minute == self.minute:
            self.used[3] += spent - granted


def _ruling(refused: int, granted: int, now: float, day: int, minute: int, used: list[int]) -> Ruling:
    daily, day_compute, requests, compute = used
    return Ruling(refused, granted, now, day, minute, (daily, day_compute, requests, compute))


def _granted(ask: int, least: int, left: int | None) -> int:
    """Return what is set aside of `left` tokens; where compute is not bounded it is not counted."""
    if left is None:
        return 0
    return ask if 2 * ask <= left else max(least, left // 2)


class LocalQuota:
    """A Quota for a gateway of one process. Nothing outlives it."""

    def __init__(self, clock: Callable[[], float] = time) -> None:
        self._clock = clock
        self._accounts = dict[str, Account]()
        self._numbers = 0

    async def reserve(self, key: Key, ask: int, least: int) -> Reservation:
        """See Quota. Never Unavailable."""
        if not 1 <= least <= ask:
            raise ValueError(f"{least} of {ask} tokens is nothing to reserve")
        if not key.limits.bounded:
            return Reservation(None, {}, None)
        account = self._accounts.setdefault(key.id, Account())
        self._numbers = number = self._numbers + 1
        ruling = account.reserve(number, key, ask, least, self._clock())
        check(ruling, key, least)
        if not key.limits.compute:
            return Reservation(None, headers(ruling, key), None)

        async def settle(spent: int) -> None:
            account.settle(number, spent)

        return Reservation(ruling.granted, headers(ruling, key), settle)

    def used(self, key: Key) -> tuple[int, int, int, int]:
        """Return what is charged to a key: requests and compute of its day, requests and compute of its minute."""
        daily, day_compute, requests, compute = self._accounts.get(key.id, Account()).used
        return daily, day_compute, requests, compute

    async def aclose(self) -> None:
        """Do nothing: everything settles at once."""
