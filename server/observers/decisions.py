"""The decisions of each request, written to a file: a line of JSON each, from a thread of their own."""

import json
import os
from dataclasses import asdict
from errno import ENOSPC
from pathlib import Path

import orjson

from server.report import Report

from .background import Background
from .records import record

_WAITING = 1000


class Decisions:
    """Appends a record of each request that asked for a budget; `cogitate replay` shows them again.

    Requests that were refused before have decided nothing and leave none. What cannot be written is dropped and
    counted: no request waits for the disk. Raises OSError where the file cannot be opened.

    A new file is readable by its owner only. It is opened again when it has been moved away, so logrotate can rotate
    it without a signal; it never rotates itself, since several processes may write to it.
    """

    def __init__(self, path: Path, *, log_prompts: bool = False, waiting: int = _WAITING) -> None:
        self._told = log_prompts
        self._file = _Appended(path)
        self._background = Background[Report]("decision records", self._write, waiting)

    @property
    def dropped(self) -> int:
        """How many records could not be written."""
        return self._background.dropped

    def started(self) -> None:
        """Nothing is decided yet."""

    def ended(self, report: Report) -> None:
        """Have the record written, soon."""
        if report.budget or report.asked or report.steps:
            self._background.put(report)

    def close(self, seconds: float = 5.0) -> None:
        """Write what waits, for at most `seconds`, and close the file."""
        if self._background.close(seconds):
            self._file.close()

    def _write(self, report: Report) -> None:
        self._file.append(_line(report, told=self._told))


class _Appended:
    """A file that grows by whole lines, and is opened again when it is no longer the one under its name.

    No handler of `logging` that does so: to configure the logs, as uvicorn does, closes all there are.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._torn = False
        self._file, self._identity = self._opened()

    def append(self, line: bytes) -> None:
        """Write `line` in one go, which other processes that append do not tear. Raises OSError."""
        if _identity(self._path) != self._identity:
            self.close()
            self._file, self._identity = self._opened()
        data = b"\n" + line if self._torn else line
        self._torn = True
        if os.write(self._file, data) < len(data):
            raise OSError(ENOSPC, os.strerror(ENOSPC))
        self._torn = False

    def close(self) -> None:
        """Close the file; again is no error."""
        if self._file >= 0:
            os.close(self._file)
        self._file, self._identity = -1, None

    def _opened(self) -> tuple[int, tuple[int, int] | None]:
        file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        return file, _identity(file)


def _identity(file: int | Path) -> tuple[int, int] | None:
    """Return the device and the number of a file; None where there is none."""
    try:
        found = os.stat(file)  # noqa: PTH116 - of an open file, too
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def _line(report: Report, *, told: bool) -> bytes:
    data = record(report, told=told)
    try:
        return orjson.dumps(data, option=orjson.OPT_APPEND_NEWLINE)
    except orjson.JSONEncodeError:  # half a surrogate pair in a text: only escapes can carry it
        return json.dumps(data, default=asdict).encode() + b"\n"
