"""What each arm did with each item, on disk as it becomes known, so that an interrupted evaluation goes on."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Record:
    """What one arm did with one item. `seconds` is the wall-clock time, 0 where samples may have been replayed.

    `stopped` is why the thinking ended, "" where nothing answered. `policy` is what the arm's policy was made from;
    `rate` the share of the arm's samples that were right, where that was asked for.
    """

    arm: str
    item: int
    level: int | None
    correct: bool
    samples: int = 0
    tokens: int = 0
    scorer_tokens: int = 0
    compute: int = 0
    seconds: float = 0.0
    undecided: bool = False
    stopped: str = ""
    policy: str = ""
    rate: float | None = None


class Journal:
    """The records so far, in a file of JSON lines whose first line says what they are records of.

    Raises ValueError when the file records something else.
    """

    def __init__(self, path: Path | None, heading: Mapping[str, object], on_add: Callable[[], None]) -> None:
        self.records = list[Record]()
        self._done = set[tuple[str, int, str]]()
        self._path = path
        self._on_add = on_add
        if path is None:
            return
        if path.exists() and path.stat().st_size:
            self._read(path, heading)
        else:
            path.write_text(json.dumps(heading) + "\n")

    def has(self, arm: str, item: int, policy: str = "") -> bool:
        """Return whether this was done before, by a policy made from the same."""
        return (arm, item, policy) in self._done

    def add(self, record: Record) -> None:
        """Record, in memory and on disk."""
        self._remember(record)
        if self._path is not None:
            with self._path.open("a") as file:
                file.write(json.dumps(asdict(record)) + "\n")
        self._on_add()

    def of(self, arm: str, policy: str | None = None) -> list[Record]:
        """Return the records of an arm, by item; of any policy, or of those made from `policy`."""
        found = (r for r in self.records if r.arm == arm and policy in (None, r.policy))
        return sorted(found, key=lambda r: r.item)

    def _remember(self, record: Record) -> None:
        self.records.append(record)
        self._done.add((record.arm, record.item, record.policy))

    def _read(self, path: Path, heading: Mapping[str, object]) -> None:
        text = path.read_text()
        if not text.endswith("\n"):  # cut by an interruption: what follows must not be appended to half a line
            path.write_text(text + "\n")
        first, *lines = text.splitlines()
        if json.loads(first) != json.loads(json.dumps(heading)):
            raise ValueError(f"{path} records another evaluation; remove it or name another file")
        for line in lines:
            try:
                self._remember(Record(**json.loads(line)))
            except (json.JSONDecodeError, TypeError):
                continue  # a line cut by an interruption is done again
