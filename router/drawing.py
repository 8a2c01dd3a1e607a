"""One call of the generator: what it asks for, what it costs, and how it ends."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from hashlib import blake2b

from .budget import Hold
from .events import Observer, Text
from .ports import Draw, Generator, Tally
from .types import Candidate, Problem, Sample


@dataclass(frozen=True, slots=True)
class Mode:
    """How the samples of one verb are drawn."""

    whole: bool
    judge: bool
    temperature: float


def order(problem: Problem, parent: Candidate, hold: Hold, mode: Mode, seed: int, deadline: float | None) -> Draw:
    """Return the order for as many children of `parent` as the hold pays for, the first with this seed."""
    return Draw(
        problem=problem,
        prefix=parent,
        count=hold.count,
        seed=seed,
        max_tokens=hold.tokens // hold.count,
        whole=mode.whole,
        temperature=mode.temperature,
        deadline=deadline,
    )


async def drawn(
    generator: Generator, draw: Draw, hold: Hold, tell: Observer | None
) -> AsyncGenerator[tuple[int, Sample, Hold], None]:
    """Yield (j, sample, what is left of its share of the hold) as samples finish. Raises GeneratorError.

    The text of a sample that is drawn alone is told to `tell` as it comes.
    Whatever happens, also where it is closed half way, what was generated is charged and the rest released.
    """
    tally, settled = Tally(), 0
    each = hold.compute // hold.count
    samples = generator.sample(draw, tally, None if tell is None else lambda text: tell(Text(text)))
    try:
        async for j, sample in samples:
            part = hold.split(draw.max_tokens, each)
            part.generated(sample.tokens)
            settled += sample.tokens
            yield j, sample, part
    finally:
        try:
            close = getattr(samples, "aclose", None)
            if close is not None:
                await close()
        finally:
            hold.generated(max(0, tally.tokens - settled))
            hold.release()


def derived(seed: int, path: tuple[int, ...]) -> int:
    """Return the seed of the first child of `path`: a function of the request's seed and the path alone."""
    digest = blake2b(repr((seed, path)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1
