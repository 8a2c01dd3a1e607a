"""Best-of-N: Cobbe et al. 2021, section 4 (arXiv:2110.14168); with a process reward Lightman et al. 2023.

The weighted form sums the values of equal answers: Li et al. 2022 (arXiv:2206.02336), Snell et al. 2024, 5.1.
"""

import asyncio
from dataclasses import dataclass
from typing import ClassVar

from ..search import Search
from ..types import ROOT


@dataclass(frozen=True, slots=True)
class BestOfN:
    """`n` independent solutions, judged whole; the most valuable one.

    Solutions that earlier rounds drew and did not judge take part: 0 draws nothing, and judges those.
    """

    n: int
    name: ClassVar[str] = "best_of_n"

    async def __call__(self, search: Search, /) -> None:
        """Draw and judge them, and meanwhile judge what is there."""
        async with asyncio.TaskGroup() as group:
            group.create_task(search.review())
            group.create_task(search.rollout([ROOT], self.n, judge=True))


@dataclass(frozen=True, slots=True)
class WeightedBestOfN(BestOfN):
    """`n` independent solutions, judged whole; the answer whose solutions have the largest sum of values."""

    name: ClassVar[str] = "weighted_best_of_n"
