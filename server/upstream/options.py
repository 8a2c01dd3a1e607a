"""How a pool treats its replicas."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PoolOptions:
    """All times in seconds.

    `affinity` lets the calls of one key prefer one replica; `slots` samples it may always have, and beyond that at
    most `spill` times the mean load. `stall_seconds` is the longest silence of a call while another replica could be
    asked instead. `health_seconds` is the time between two health checks, 0 for none. `retry_ratio` is the share of
    calls that may be tried again.
    """

    affinity: bool = True
    slots: int = 64
    spill: float = 1.25
    api_key: str | None = None
    connect_seconds: float = 2.0
    stall_seconds: float = 30.0
    health_seconds: float = 2.0
    retry_ratio: float = 0.2

    @property
    def headers(self) -> dict[str, str]:
        """What every request to a replica carries."""
        return {"Authorization": f"Bearer {self.api_key}"} if self.api_key else {}
