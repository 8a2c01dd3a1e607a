"""PRM beam search: Snell et al. 2024, section 5.2 (arXiv:2408.03314), as in Hugging Face's search-and-learn."""

from dataclasses import dataclass
from typing import ClassVar

from ..search import Search
from ..types import ROOT


@dataclass(frozen=True, slots=True)
class BeamSearch:
    """`n` beams; after each step the best `n // m` are kept and each branches into `m`.

    A finished beam keeps competing for its place among the best by its value, and holds that place instead of
    branching: `docs/adr/0004-search.md`.
    """

    n: int
    m: int = 4
    rounds: int = 40
    name: ClassVar[str] = "beam_search"

    async def __call__(self, search: Search, /) -> None:
        """Extend, keep, extend."""
        width = max(1, self.n // self.m)
        beams = await search.extend([ROOT], self.n)
        for _ in range(self.rounds - 1):
            kept = search.keep(beams, width)
            alive = [beam for beam in kept if not beam.finished]
            if not alive:
                return
            finished = [beam for beam in kept if beam.finished]
            beams = finished + await search.extend(alive, max(1, self.n // width))
        await search.rollout([b for b in beams if not b.finished], 1, judge=True)
