"""Two models read as one: what a trained model thinks of each token, less what its reference thinks of it."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack

from ..ports import Host, HostError, Passage, Reading


class RatioHost:
    """The log-ratio of two hosts that read `TokenLogprobs`: for `families.implicit.LogRatio`.

    The two must share a vocabulary. `computed` counts a token once although two models compute it: what one costs is
    the price of both, and the scorer's ratio has to say so.
    """

    def __init__(self, model: Host, reference: Host) -> None:
        self._model, self._reference = model, reference

    @property
    def name(self) -> str:
        """The trained model's name."""
        return self._model.name

    @property
    def context(self) -> int:
        """What both can read."""
        return min(self._model.context, self._reference.context)

    async def start(self) -> None:
        """Start both. Raises HostError, with neither left running."""
        async with AsyncExitStack() as started:
            for host in (self._model, self._reference):
                started.push_async_callback(host.aclose)
                await host.start()
            started.pop_all()

    async def aclose(self) -> None:
        """Close both, the second even if the first one fails."""
        async with AsyncExitStack() as ending:
            ending.push_async_callback(self._model.aclose)
            ending.push_async_callback(self._reference.aclose)

    async def read(self, passages: Sequence[Passage]) -> list[Reading]:
        """Read both at the same time. Raises HostError, TooLong."""
        # Two threads for two models in this process: torch releases the interpreter while it computes.
        first = asyncio.ensure_future(self._model.read(passages))
        second = asyncio.ensure_future(self._reference.read(passages))
        try:
            ours, theirs = await asyncio.gather(first, second)
        finally:
            first.cancel()
            second.cancel()
        return [_ratio(a, b) for a, b in zip(ours, theirs, strict=True)]


def _ratio(ours: Reading, theirs: Reading) -> Reading:
    if ours.values.shape != theirs.values.shape:
        raise HostError("the model and its reference read different numbers of tokens")
    return Reading(ours.values - theirs.values, max(ours.computed, theirs.computed))
