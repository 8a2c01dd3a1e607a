"""Ending a search from outside, before its deadline: it answers with the best it has."""

import asyncio
from collections.abc import Generator
from contextlib import contextmanager


class Cut:
    """A search's emergency exit: `now` ends it at once, before it has begun, too; after its end it does nothing."""

    def __init__(self) -> None:
        self.made = False
        self._scope: asyncio.Timeout | None = None

    @contextmanager
    def ending(self, scope: asyncio.Timeout) -> Generator[None]:
        """Let a cut within the context end `scope`, which has been entered."""
        self._scope = scope
        try:
            if self.made:
                self.now()
            yield
        finally:
            self._scope = None

    def now(self) -> None:
        """Cut: what has finished is aggregated, what is under way is cancelled."""
        self.made = True
        if self._scope is not None:
            self._scope.reschedule(asyncio.get_running_loop().time())
