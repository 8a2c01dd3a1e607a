"""Self-consistency: Wang et al. 2022, "Self-Consistency Improves Chain of Thought Reasoning" (arXiv:2203.11171)."""

from dataclasses import dataclass
from typing import ClassVar

from ..search import Search
from ..types import ROOT


@dataclass(frozen=True, slots=True)
class MajorityVoting:
    """`n` independent solutions; the answer that most of them give (section 2). No scorer."""

    n: int
    name: ClassVar[str] = "majority_voting"

    async def __call__(self, search: Search, /) -> None:
        """Draw them."""
        await search.rollout([ROOT], self.n)
