"""Solutions that were drawn and judged once, question by question, and from which policies are fitted without a model.

A file of pools has JSON lines: a heading that says what it holds pools of, one line for each question, and after each
run a note of how many questions there were. Numbers of solutions stand in columns, which is compact and quick to read.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from types import TracebackType
from typing import Any, Self

VERSION = 1


@dataclass(frozen=True, slots=True)
class Solution:
    """One whole answer: its generated tokens, their summed log-probability, and what it was worth.

    `answer` is a number that equal answers of a pool share, -1 for none. `value` is the product of the step rewards,
    None without a scorer. `read` are the scorer tokens that judging it adds once all before it have been judged; those
    of the first include the prompt.
    """

    tokens: int
    logprob: float
    answer: int
    correct: bool
    value: float | None
    read: int


@dataclass(frozen=True, slots=True)
class Searched:
    """A whole run of a tree search. `compute` is in generator-token equivalents, the scorer included."""

    strategy: str
    n: int
    m: int
    correct: bool
    compute: int


@dataclass(frozen=True, slots=True)
class Pool:
    """The solutions to one question: a greedy one first (temperature 0), then samples in the order of their seeds.

    `item` is the question's place in its file, `level` from 1 (easy) to 5 (hard) where the file says so; `features` are
    those of router.difficulty.prompt. Where nobody knew the answer, and the one with the most weight in the whole pool
    stood in for it, the pool is `agreed`. `undecided` solutions count as wrong because nobody could tell.
    """

    item: int
    id: str
    level: int | None
    prompt_tokens: int
    features: tuple[float, ...]
    solutions: tuple[Solution, ...]
    searches: tuple[Searched, ...] = ()
    agreed: bool = False
    undecided: int = 0


@dataclass(frozen=True, slots=True)
class Heading:
    """What pools depend on: those of one file were all made in this way.

    `ratio` is what a scorer token costs in generator tokens; `source` names the questions and `digest` identifies them;
    `searches` are the tree searches that were run; `limit` is the most tokens of one answer; `features` are the names
    of the features.
    """

    generator: str
    scorer: str | None
    fingerprint: str | None
    ratio: float
    source: str
    digest: str
    seed: int
    samples: int
    searches: tuple[str, ...] = ()
    system: str | None = None
    limit: int | None = None
    features: tuple[str, ...] = ()

    def differences(self, other: "Heading") -> list[str]:
        """Return the names of the fields in which two headings differ."""
        return [f.name for f in fields(self) if getattr(self, f.name) != getattr(other, f.name)]


@dataclass(frozen=True, slots=True)
class Recording:
    """A file of pools. `asked` is how many questions the last run that ended had, None before one has ended.

    `damaged` lines could not be read and were left out.
    """

    heading: Heading
    pools: tuple[Pool, ...]
    asked: int | None = None
    damaged: int = 0


class PoolFile:
    """A file of pools that are written as they come. One that was cut at any byte is gone on with.

    Raises ValueError when the file holds something else, and OSError.
    """

    def __init__(self, path: Path, heading: Heading) -> None:
        self.path = path
        self.pools = list(_resumed(path, heading))
        """All pools so far, those of earlier runs first."""
        self._done = {pool.item for pool in self.pools}
        self._file = path.open("ab", buffering=0)  # nothing may be left in a buffer when the disk is full

    def __enter__(self) -> Self:
        """Return the open file."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        self._file.close()

    def has(self, item: int) -> bool:
        """Return whether the pool of this question is there."""
        return item in self._done

    def add(self, pool: Pool) -> None:
        """Write a pool."""
        self._write(_row(pool))
        self.pools.append(pool)
        self._done.add(pool.item)

    def end(self, asked: int) -> None:
        """Note that a run has come to its end, and how many questions it had."""
        self._write({"asked": asked})

    def _write(self, row: Mapping[str, Any]) -> None:
        left = memoryview(_line(row))
        while left:
            left = left[self._file.write(left) or 0 :]


def read_pools(path: Path) -> Recording:
    """Read a file of pools, finished or not. Raises ValueError when it is none, and OSError."""
    return _read(path, path.read_bytes())


def _resumed(path: Path, heading: Heading) -> tuple[Pool, ...]:
    """Return what a file holds already; it then ends with a whole line, and has a heading."""
    content = path.read_bytes() if path.exists() else b""
    first = _line(_head(heading))
    if first.startswith(content):  # new, or cut within its heading
        path.write_bytes(first)
        return ()
    recording = _read(path, content)
    if different := recording.heading.differences(heading):
        raise ValueError(
            f"{path} holds pools made with another {', '.join(different)}: remove it, or name another --out"
        )
    end = content.rfind(b"\n") + 1
    if end < len(content):
        with path.open("r+b") as file:
            file.truncate(end)
    return recording.pools


def _read(path: Path, content: bytes) -> Recording:
    lines = content.split(b"\n")
    heading, pools = _heading(path, lines[0]), dict[int, Pool]()
    asked, damaged = None, 0
    for line in lines[1:-1]:  # behind the last line end there is nothing, or half a line
        try:
            row = json.loads(line)
            if "asked" in row:
                asked = int(row["asked"])
            else:
                pool = _pool(row)
                pools.setdefault(pool.item, pool)
        except (ValueError, KeyError, TypeError):
            damaged += 1
    return Recording(heading, tuple(pools.values()), asked, damaged)


def _heading(path: Path, line: bytes) -> Heading:
    try:
        row: dict[str, Any] = json.loads(line)
        version, told = row["pools"], row["of"]
        if version == VERSION:
            lists: dict[str, Any] = {name: tuple(told[name]) for name in ("searches", "features")}
            return Heading(**(told | lists))
    except (ValueError, KeyError, TypeError):
        raise ValueError(f"{path} is no file of pools") from None
    raise ValueError(f"{path} holds pools of version {version}, this program reads version {VERSION}")


def _head(heading: Heading) -> dict[str, Any]:
    return {"pools": VERSION, "of": asdict(heading)}


def _line(row: Mapping[str, Any]) -> bytes:
    return json.dumps(row, separators=(",", ":"), allow_nan=False).encode() + b"\n"


def _row(pool: Pool) -> dict[str, Any]:
    solutions = pool.solutions
    return {
        "item": pool.item,
        "id": pool.id,
        "level": pool.level,
        "prompt_tokens": pool.prompt_tokens,
        "features": [_short(f) for f in pool.features],
        "tokens": [s.tokens for s in solutions],
        "logprob": [_short(s.logprob) for s in solutions],
        "answer": [s.answer for s in solutions],
        "correct": "".join("01"[s.correct] for s in solutions),
        "value": [None if s.value is None else _short(s.value) for s in solutions],
        "read": [s.read for s in solutions],
        "searches": [[s.strategy, s.n, s.m, s.correct, s.compute] for s in pool.searches],
        "agreed": pool.agreed,
        "undecided": pool.undecided,
    }


def _pool(row: Mapping[str, Any]) -> Pool:
    correct = [mark == "1" for mark in row["correct"]]
    columns = row["tokens"], row["logprob"], row["answer"], correct, row["value"], row["read"]
    return Pool(
        row["item"],
        row["id"],
        row["level"],
        row["prompt_tokens"],
        tuple(row["features"]),
        tuple(map(Solution, *_even(columns))),
        tuple(Searched(*run) for run in row["searches"]),
        row["agreed"],
        row["undecided"],
    )


def _even(columns: tuple[list[Any], ...]) -> tuple[list[Any], ...]:
    if len({len(column) for column in columns}) != 1:
        raise ValueError("columns of different lengths")
    return columns


def _short(number: float) -> float:
    """Return a number to seven digits: a product of many small rewards must not become 0."""
    return float(f"{number:.7g}")
