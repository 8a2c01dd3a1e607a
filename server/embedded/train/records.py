"""The file between `sample` and `calibrate`: one problem a line, with its samples and their exact labels.

What:     JSON lines. A label says whether everything up to the end of that step is right.
Command:  none; `sample` writes them and `calibrate` reads them.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Sampled:
    """One sample: its token ids, its text, whether its final answer is right, and a label per step."""

    ids: list[int]
    text: str
    right: bool
    labels: list[bool]


@dataclass(frozen=True, slots=True)
class Record:
    """One problem with its samples; `prompt` are the ids of its prompt."""

    question: str
    kind: str
    level: int
    prompt: list[int]
    samples: list[Sampled]


def write(path: Path, records: Iterable[Record]) -> int:
    """Write records, one a line; returns how many."""
    count = 0
    with path.open("w", encoding="utf-8") as file:
        for record in records:
            file.write(json.dumps(asdict(record)) + "\n")
            count += 1
    return count


def read(path: Path) -> Iterator[Record]:
    """Yield the records of a file. Raises OSError, or ValueError for a line that is no record."""
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            try:
                raw = json.loads(line)
                samples = [Sampled(**sample) for sample in raw.pop("samples")]
                yield Record(**raw, samples=samples)
            except (KeyError, TypeError, AttributeError, ValueError) as error:
                raise ValueError(f"{path}, line {number} is not a record of samples: {error!r}") from error
