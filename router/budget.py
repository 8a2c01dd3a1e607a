"""What a request may spend, and the books that keep it to that.

A sample reserves what it may cost before it starts and settles what it did cost when it ends, so the bound
holds under any interleaving: at all times `spent + held <= limit`. Compute is counted in generator-token
equivalents: a scorer token costs as many generator tokens as the scorer is larger than the generator.
"""

import asyncio
import math
from bisect import bisect_right
from collections.abc import Callable, Iterable
from dataclasses import dataclass

Price = Callable[[int], int]
"""The most compute that a sample of so many tokens can take, judging it included. Must not decrease."""


@dataclass(frozen=True, slots=True)
class Budget:
    """What a request may use; None is no bound of that kind.

    `samples` bounds the solution paths that are alive or finished: one whole answer is one sample, and a path
    of a tree search hands its sample on when it is pruned. `tokens` bounds the compute in generator-token
    equivalents, `deadline` the seconds from the start. Raises ValueError unless each is positive and finite.
    """

    samples: int | None = None
    tokens: int | None = None
    deadline: float | None = None

    def __post_init__(self) -> None:
        for name in ("samples", "tokens", "deadline"):
            bound = getattr(self, name)
            if bound is not None and not (0 < bound < math.inf):
                raise ValueError(f"{name} must be positive and finite, not {bound!r}")


@dataclass(frozen=True, slots=True)
class Spent:
    """What was used: paths alive or finished, generated tokens, scorer tokens, and all of it as compute."""

    samples: int = 0
    tokens: int = 0
    scorer_tokens: int = 0
    compute: int = 0


class Hold:
    """A part of the budget set aside: charge what is used, release the rest."""

    def __init__(self, ledger: "Ledger", count: int, tokens: int, compute: int) -> None:
        self._ledger = ledger
        self.count = count
        """Samples this hold pays for."""
        self.tokens = tokens
        """Generated tokens still set aside."""
        self.compute = compute
        """Compute still set aside, generated tokens included."""

    def generated(self, tokens: int) -> None:
        """Charge generated tokens."""
        self._ledger.charge(self, tokens=tokens, compute=tokens)

    def judged(self, scorer_tokens: int, compute: int) -> None:
        """Charge `scorer_tokens` of the scorer, worth `compute`."""
        self._ledger.charge(self, scorer_tokens=scorer_tokens, compute=compute)

    def split(self, tokens: int, compute: int) -> "Hold":
        """Set a part of this hold apart, for one of its samples."""
        part = Hold(self._ledger, 1, min(tokens, self.tokens), min(compute, self.compute))
        self.tokens -= part.tokens
        self.compute -= part.compute
        return part

    def merge(self, other: "Hold") -> None:
        """Take over what another hold still sets aside."""
        self.tokens += other.tokens
        self.compute += other.compute
        other.tokens = other.compute = 0

    def keep(self, compute: int) -> None:
        """Release all but `compute`, and all that was set aside for generating."""
        self._ledger.release(self, compute)

    def release(self) -> None:
        """Give back what was not used."""
        self._ledger.release(self, 0)


class Ledger:
    """The books of one request.

    Besides the two bounds of the budget there is a third: `samples` paths of `longest` tokens each generate
    at most `samples * longest` tokens, whatever the search does.
    """

    def __init__(self, budget: Budget, longest: int) -> None:
        self._samples = math.inf if budget.samples is None else budget.samples
        self._tokens = self._samples * longest
        self._compute = math.inf if budget.tokens is None else budget.tokens
        self._held_tokens = 0
        self._held_compute = 0
        self._spent = Spent()
        self._waiting: list[asyncio.Future[None]] = []
        self._settling = set[Hold]()
        self.overrun = 0
        """Compute charged beyond what had been set aside: a backend that ignored its limit."""

    @property
    def spent(self) -> Spent:
        """What has been charged so far."""
        return self._spent

    @property
    def held(self) -> int:
        """Compute set aside for what is under way."""
        return self._held_compute

    @property
    def samples_left(self) -> float:
        """Paths that may still be opened; infinite when nothing bounds them."""
        return self._samples - self._spent.samples

    @property
    def tokens_left(self) -> float:
        """Tokens that may still be generated."""
        return self._tokens - self._spent.tokens - self._held_tokens

    @property
    def compute_left(self) -> float:
        """Compute neither spent nor set aside."""
        return self._compute - self._spent.compute - self._held_compute

    async def reserve(self, count: int, tokens: int, price: Price, least: Callable[[], int] = lambda: 1) -> Hold | None:
        """Set aside up to `count` samples of up to `tokens` tokens each.

        Gives as many as fit. When not one fits, waits while others still hold something they may give back,
        and at last gives one shortened sample of at least `least()` tokens, or None when nothing is left.
        """
        while True:
            fitting = self._fitting(count, tokens, price(tokens))
            if fitting:
                return self._take(fitting, tokens, price(tokens))
            if self.samples_left < 1:
                return None
            if not (self._held_tokens or self._settling):  # what waits to be judged is given back only after this
                short = self._shortened(tokens, price)
                return self._take(1, short, price(short)) if short >= max(1, least()) else None
            await self._change()

    def set_aside(self, compute: int) -> Hold | None:
        """Set compute aside for what draws no sample; None where so much is not left."""
        if compute > self.compute_left:
            return None
        self._held_compute += compute
        return Hold(self, 0, 0, compute)

    def settling(self, holds: Iterable[Hold]) -> Hold:
        """Return one hold that takes over what these set aside, and will soon give it back: `reserve` waits for it."""
        whole = Hold(self, 0, 0, 0)
        for hold in holds:
            whole.merge(hold)
        self._settling.add(whole)
        return whole

    def hand_on(self, samples: int = 1) -> None:
        """Give the samples of paths that end here, unfinished, to paths yet to come."""
        self._book(samples=-samples)
        self._wake()

    def charge(self, hold: Hold, *, tokens: int = 0, scorer_tokens: int = 0, compute: int = 0) -> None:
        """Move what was used from `hold` to the books; what exceeds the hold is an overrun, and is told."""
        self.overrun += max(0, compute - hold.compute)
        taken_tokens, taken_compute = min(tokens, hold.tokens), min(compute, hold.compute)
        hold.tokens -= taken_tokens
        hold.compute -= taken_compute
        self._held_tokens -= taken_tokens
        self._held_compute -= taken_compute
        self._book(tokens=tokens, scorer_tokens=scorer_tokens, compute=compute)

    def release(self, hold: Hold, compute: int) -> None:
        """Free what `hold` sets aside, except `compute`."""
        freed = max(0, hold.compute - compute)
        self._held_tokens -= hold.tokens
        self._held_compute -= freed
        hold.tokens = 0
        hold.compute -= freed
        self._settling.discard(hold)
        self._wake()

    def _fitting(self, count: int, tokens: int, price: int) -> int:
        lefts = ((self.samples_left, 1), (self.tokens_left, tokens), (self.compute_left, price))
        return max(0, min([count, *(int(left // each) for left, each in lefts if left != math.inf)]))

    def _shortened(self, tokens: int, price: Price) -> int:
        most = int(min(tokens, self.tokens_left))
        return most if self.compute_left == math.inf else bisect_right(range(1, most + 1), self.compute_left, key=price)

    def _take(self, count: int, tokens: int, price: int) -> Hold:
        self._book(samples=count)
        self._held_tokens += count * tokens
        self._held_compute += count * price
        return Hold(self, count, count * tokens, count * price)

    def _book(self, *, samples: int = 0, tokens: int = 0, scorer_tokens: int = 0, compute: int = 0) -> None:
        s = self._spent
        self._spent = Spent(
            s.samples + samples, s.tokens + tokens, s.scorer_tokens + scorer_tokens, s.compute + compute
        )

    async def _change(self) -> None:
        waiter = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        await waiter

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, []
        for waiter in waiting:
            if not waiter.done():
                waiter.set_result(None)
