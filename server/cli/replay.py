"""`cogitate replay`: what was decided for recorded requests, step by step."""

import sys
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from pathlib import Path

import orjson
from pydantic import ValidationError

from server.web.log import printable

from .decided import Record
from .telling import tell

_SHOWN, _NOTHING, _BAD_INPUT = 0, 1, 2


def replay(file: str, request: str | None, last: int | None, *, as_json: bool) -> int:
    """Print the records of a file (`-` is standard input); return the exit status: 0 shown, 1 none, 2 no such file.

    `request` is the id of one request or of its trace; only the `last` so many of those are shown. Damaged lines are
    told on the standard error and skipped.
    """
    try:
        with nullcontext(sys.stdin.buffer) if file == "-" else Path(file).open("rb") as lines:
            wanted = (r for r in _records(lines) if request in {None, r.id, r.trace_id})
            shown = _show(wanted if last is None else deque(wanted, last), as_json=as_json)
    except (FileNotFoundError, IsADirectoryError, PermissionError) as fault:
        _complain(f"{file} cannot be read: {fault.strerror}")
        return _BAD_INPUT
    if not shown:
        _complain("There is no record" + (f" of {request}." if request else "."))
    return _SHOWN if shown else _NOTHING


def _records(lines: Iterable[bytes]) -> Iterator[Record]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            yield Record.model_validate(orjson.loads(line))
        except orjson.JSONDecodeError:
            _complain(f"line {number} is damaged: it is no JSON")
        except ValidationError as fault:
            member = ".".join(str(part) for part in fault.errors()[0]["loc"]) or "the line"
            _complain(f"line {number} is no record of decisions: {member} is missing or not what it should be")


def _show(records: Iterable[Record], *, as_json: bool) -> int:
    """Print records; return how many."""
    shown = 0
    for record in records:
        if as_json:
            lines = [orjson.dumps(record.model_dump(mode="json", exclude_unset=True)).decode()]
        else:
            lines = [*([""] if shown else []), *(printable(line) for line in tell(record))]
        sys.stdout.writelines(f"{line}\n" for line in lines)
        shown += 1
    return shown


def _complain(message: str) -> None:
    sys.stderr.write(printable(message) + "\n")
