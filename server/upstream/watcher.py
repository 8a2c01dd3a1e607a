"""Who is told what happens to a pool: it may count it, and changes nothing."""

from typing import Protocol


class Watcher(Protocol):
    """Is told on the event loop, as it happens; must not block and must not raise."""

    def ejected(self) -> None:
        """Note that a replica is taken out because calls to it failed."""
        ...

    def died(self) -> None:
        """Note that health checks find a replica dead."""
        ...

    def retried(self, *, taken: bool) -> None:
        """Note that a failed call is tried again, or is not because the retry budget is used up."""
        ...


class Nobody:
    """Watches nothing."""

    def ejected(self) -> None:
        """Ignore it."""

    def died(self) -> None:
        """Ignore it."""

    def retried(self, *, taken: bool) -> None:
        """Ignore it."""
