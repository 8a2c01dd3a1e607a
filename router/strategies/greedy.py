"""Greedy decoding: the baseline everything else is measured against."""

from dataclasses import dataclass
from typing import ClassVar

from ..search import Search
from ..types import ROOT


@dataclass(frozen=True, slots=True)
class Greedy:
    """One solution, at the client's temperature or else at 0: at every step the likeliest token."""

    name: ClassVar[str] = "greedy"

    @property
    def n(self) -> int:
        """One path."""
        return 1

    async def __call__(self, search: Search, /) -> None:
        """Draw it."""
        await search.rollout([ROOT], 1, temperature=search.problem.temperature or 0.0)
