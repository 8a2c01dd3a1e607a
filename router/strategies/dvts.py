"""Diverse verifier tree search: Beeching, Tunstall, Rush 2024, "Scaling Test-Time Compute with Open Models"."""

from dataclasses import dataclass
from typing import ClassVar

from ..search import Search
from ..types import ROOT, Candidate


@dataclass(frozen=True, slots=True)
class DVTS:
    """`n // m` independent subtrees; each draws `m` next steps and follows the best one, greedily.

    The last of its `rounds` runs to the end of the answer.
    """

    n: int
    m: int = 4
    rounds: int = 40
    name: ClassVar[str] = "dvts"

    async def __call__(self, search: Search, /) -> None:
        """Grow the subtrees side by side: nothing is chosen across them."""
        m = min(self.m, self.n)

        async def subtree(root: Candidate) -> None:
            best = root
            for left in reversed(range(self.rounds)):
                children = await (search.extend([best], m) if left else search.rollout([best], m, judge=True))
                if not children:
                    return
                [best] = search.keep(children, 1)
                if best.finished:
                    return

        await search.concurrently(subtree, [ROOT] * max(1, self.n // m))
