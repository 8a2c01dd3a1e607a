"""How the process logs: lines of text for people, or of JSON for machines. Nothing in a line can begin another one.

The standard library's logging with its own json: the two formats are a few lines each, and no library is needed.
"""

import json
import logging
import sys
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Literal

Form = Literal["text", "json"]

_TEXT = "%(asctime)s %(levelname)s %(name)s %(message)s"
_LONGEST_TRACEBACK = 8000
"""Characters; of a longer one the end is kept, which says what it was."""

_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._:/+-@")


class Fields:
    """A message that is data: `key=value` pairs in a line of text, members of the object in a line of JSON.

    `event` says in one or two words what has happened. A value of None is left out.
    """

    __slots__ = ("event", "values")

    def __init__(self, event: str, values: Mapping[str, object]) -> None:
        self.event = event
        self.values = {name: value for name, value in values.items() if value is not None}

    def __str__(self) -> str:
        """Return the pairs."""
        return " ".join([f"{name}={_word(value)}" for name, value in self.values.items()])


class Text(logging.Formatter):
    """One line a record; the lines of a traceback are indented, so that they cannot pass for records."""

    def __init__(self) -> None:
        super().__init__(_TEXT)

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the name is the standard library's
        """Return the line, with what is not printable escaped."""
        return printable(super().formatMessage(record))

    def formatException(self, ei: Any) -> str:  # noqa: N802
        """Return the traceback, indented."""
        return "\n".join("  " + printable(line) for line in _ending(super().formatException(ei)).splitlines())


class Json(logging.Formatter):
    """One object a record: time, level, logger, message, the fields of the message, and the exception as a string.

    Its lines are ASCII: what is not is escaped.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
        }
        if isinstance(record.msg, Fields):
            line["message"] = record.msg.event
            line = {**record.msg.values, **line}
        else:
            line["message"] = record.getMessage()
        if record.exc_info and record.exc_info[0]:
            line["exception"] = _ending(self.formatException(record.exc_info))
        return json.dumps(line, default=str)


def formatter(form: Form) -> logging.Formatter:
    """Return what writes the lines of a log of this form."""
    return Json() if form == "json" else Text()


def log_crashes() -> None:
    """Have exceptions that nobody catches logged, in place of a bare traceback on the standard error."""
    log = logging.getLogger("cogitate")

    def crashed(kind: type[BaseException], what: BaseException, where: TracebackType | None) -> None:
        log.critical("the process ends with an error", exc_info=(kind, what, where))

    def thread_crashed(args: threading.ExceptHookArgs) -> None:
        if args.exc_value is not None:
            what = (args.exc_type, args.exc_value, args.exc_traceback)
            log.error("a thread has ended with an error", exc_info=what)

    sys.excepthook = crashed
    threading.excepthook = thread_crashed


def printable(text: str) -> str:
    """Return `text` in one line: control characters, line ends and changes of direction as escapes."""
    if text.isprintable():
        return text
    return "".join([c if c.isprintable() else c.encode("unicode_escape").decode() for c in text])


def _ending(traceback: str) -> str:
    return traceback if len(traceback) <= _LONGEST_TRACEBACK else "…" + traceback[-_LONGEST_TRACEBACK:]


def _word(value: object) -> str:
    """Return a value that holds neither a space nor a quotation mark, unless it is all in quotation marks."""
    if isinstance(value, str) and not (value and _PLAIN.issuperset(value)):
        return json.dumps(value, ensure_ascii=not value.isprintable())
    return str(value)
