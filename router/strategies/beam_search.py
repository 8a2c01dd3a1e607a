"""PRM beam search: Snell et al. 2024, section 5.2 (arXiv:2408.03314), as in Hugging Face's search-and-learn."""

from dataclasses import dataclass
from typing import ClassVar

from ..search import Search
from ..types import ROOT


@dataclass(frozen=True, slots=True)
class BeamSearch:
    """`n` beams; after each step the best `n // m` are kept and each branches into `m`.

    A finished beam keeps competing for its place among the best by its value, and holds that place instead of
    branching: `docs/adr/0004-search.md`. The last of its `rounds` runs to the end of the answer.
    """

    n: int
    m: int = 4
    rounds: int = 40
    name: ClassVar[str] = "beam_search"

    async def __call__(self, search: Search, /) -> None:
        """Extend, keep, extend."""
        width = max(1, self.n // self.m)
        beams, k = [ROOT], self.n
        for left in reversed(range(self.rounds)):
            alive = [beam for beam in beams if not beam.finished]
            finished = [beam for beam in beams if beam.finished]
            if not alive:
                return
            children = await (search.extend(alive, k) if left else search.rollout(alive, k, judge=True))
            beams = search.keep(finished + children, width)
            k = max(1, self.n // width)
