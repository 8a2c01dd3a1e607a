"""What keys may use in a window of time, and what is set aside for a request until it is known what it took."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Literal, Protocol

from .key import Key

What = Literal["requests", "compute"]
Window = Literal["minute", "day"]


class Exhausted(Exception):
    """A key has too little left in a window, of which `retry_after` seconds are to come. Nothing was charged.

    `asked` is what would have had to be left: one request, or the least compute.
    """

    def __init__(self, what: What, window: Window, limit: int, retry_after: float, asked: int = 1) -> None:
        super().__init__(f"{what} of the {window}: fewer than {asked} of {limit} left for {retry_after:.1f} s")
        self.what: What = what
        self.window: Window = window
        self.limit = limit
        self.retry_after = retry_after
        self.asked = asked

    @property
    def hopeless(self) -> bool:
        """Whether not even a whole window would do, so that a retry is of no use."""
        return self.asked > self.limit


class Unavailable(Exception):
    """Nobody can say what the key has used: the store of quotas does not answer."""


Settlement = Callable[[int], Awaitable[None]]
"""Books what a request has taken, in place of what was set aside for it. Does not fail."""


class Reservation:
    """What is set aside for one request until `settle`.

    `granted` is compute in tokens, None where the key's compute is not bounded. `remaining` are headers for the reply,
    as OpenAI's: limit, what is left of it and when it is whole again, for the window with the smaller share left.
    """

    def __init__(self, granted: int | None, remaining: Mapping[str, str], settlement: Settlement | None) -> None:
        self.granted = granted
        self.remaining = remaining
        self._settlement = settlement

    async def settle(self, spent: int) -> None:
        """Charge `spent` tokens of compute instead of what was granted, in the windows of the reservation.

        The first call counts, further ones do nothing. A caller that is cancelled meanwhile does not stop it. What
        cannot be booked stays charged as it was granted: never too little, and no longer than the window. Raises
        ValueError for a negative number.
        """
        if spent < 0:
            raise ValueError(f"nothing takes {spent} tokens")
        settlement, self._settlement = self._settlement, None
        if settlement is not None:
            await settlement(spent)


class Quota(Protocol):
    """The books of all keys."""

    async def reserve(self, key: Key, ask: int, least: int) -> Reservation:
        """Charge one request and up to `ask` tokens of compute, at least `least` of them, or nothing at all.

        1 <= least <= ask, else ValueError. Up to half of what is left is granted as asked for; of more, half of what
        is left, so that the next request gets something, too. Raises Exhausted, and Unavailable.
        """
        ...

    async def aclose(self) -> None:
        """Finish what is being settled."""
        ...
