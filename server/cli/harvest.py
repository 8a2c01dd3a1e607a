"""Pools that are ready to be fitted: drawn just now, or recorded before and put together."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console

from router.calibration.pools import Heading, Pool, Recording, read_pools
from router.difficulty.prompt import FEATURES

_SHARED = ("generator", "scorer", "fingerprint", "ratio", "system", "limit", "features")
"""What pools of several files must have in common to be fitted together."""


@dataclass(frozen=True, slots=True)
class Harvest:
    """The pools to fit, how they were made, and how many questions were asked for them, where that is known."""

    heading: Heading
    pools: Sequence[Pool]
    asked: int | None

    @property
    def agreed(self) -> int:
        """Questions without an answer, for which agreement stands in."""
        return sum(p.agreed for p in self.pools)

    @property
    def undecided(self) -> int:
        """Solutions that count as wrong because nobody could tell."""
        return sum(p.undecided for p in self.pools)


def joined(paths: Sequence[Path], console: Console) -> Harvest:
    """Read recorded pools; those of several files are put together. Raises ValueError where they do not belong."""
    recordings = [read_pools(path) for path in paths]
    for path, recording in zip(paths, recordings, strict=True):
        _check_alike(paths[0], recordings[0].heading, path, recording.heading)
        if recording.damaged:
            say(console, f"{path}: {recording.damaged} damaged lines are left out.")
    first, *others = [r.heading for r in recordings]
    samples = min(r.heading.samples for r in recordings)
    if any(h.samples != samples for h in (first, *others)):
        say(console, f"Only the first {samples} solutions to each question are used: one of the files has no more.")
    heading = replace(
        first,
        source=" + ".join(dict.fromkeys(r.heading.source for r in recordings)),
        digest="+".join(dict.fromkeys(r.heading.digest for r in recordings)),
        samples=samples,
    )
    asked = [r.asked for r in recordings if r.asked is not None]
    return Harvest(heading, _together(recordings, samples), sum(asked) if len(asked) == len(recordings) else None)


def _check_alike(first: Path, heading: Heading, path: Path, other: Heading) -> None:
    if heading.features != FEATURES:
        raise ValueError(f"{first} was recorded with another version of the prompt's features: record it anew")
    if different := [name for name in heading.differences(other) if name in _SHARED]:
        raise ValueError(f"{path} and {first} do not go together: they were made with another {', '.join(different)}")


def _together(recordings: Sequence[Recording], samples: int) -> list[Pool]:
    """Return the pools of all, a question once, numbered anew, with so many solutions each."""
    pools = dict[tuple[str, int], Pool]()
    for recording in recordings:
        for pool in sorted(recording.pools, key=lambda p: p.item):
            pools.setdefault((recording.heading.digest, pool.item), pool)
    return [replace(p, item=i, solutions=p.solutions[:samples]) for i, p in enumerate(pools.values())]


def say(console: Console, *lines: str) -> None:
    """Print lines as they are."""
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
