"""The file of keys: JSON that commands rewrite whole, so that it is never seen half written."""

import logging
import os
import stat
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from fcntl import LOCK_EX, flock
from pathlib import Path
from tempfile import mkstemp
from typing import Any, cast

import orjson
from pydantic import TypeAdapter, ValidationError

from .key import Key

VERSION = 1

_log = logging.getLogger(__name__)
_KEY = TypeAdapter(Key)
_PLAIN = {"missing": "is missing", "unexpected_keyword_argument": "is not known", "dataclass_type": "is no object"}
"""What the kinds of faults are called here, where the library's words are about programs."""

_FORMS = {
    "name": "has up to 64 letters, digits, '.', '_' and '-', and begins with one of the first two",
    "id": "has up to 64 letters, digits, '_' and '-'",
    "digest": "is no SHA-256 in 64 hexadecimal digits",
}
"""What a text is to look like."""


def read(path: Path) -> tuple[Key, ...]:
    """Read a file of keys. Raises ValueError with every fault of it, a line each, and never what stands in a field.

    A file that others may write is a fault: they could add a key. One that others may read is only warned of, since
    digests of random tokens tell nothing; the names and limits in it may.
    """
    try:
        mode = path.stat().st_mode
        content = path.read_bytes()
    except OSError as fault:
        raise ValueError(f"the file of keys {path} cannot be read: {fault.strerror}") from None
    faults = list[str]()
    if mode & (stat.S_IWGRP | stat.S_IWOTH):
        faults.append("others may write it, and add keys: chmod go-w takes that away")
    keys = _parse(content, faults)
    if faults:
        raise ValueError(f"{path} is no file of keys that can be used:" + "".join(f"\n  {f}" for f in faults))
    if mode & stat.S_IROTH:
        _log.warning("the file of keys %s can be read by every user of this machine: chmod 600 is enough", path)
    return keys


def checked(entry: Mapping[str, Any]) -> Key:
    """Return the key that an entry of the file describes. Raises ValueError with every fault, a line each."""
    faults = list[str]()
    key = _to_key(entry, "", faults)
    if key is None:
        raise ValueError("\n".join(faults))
    return key


def write(path: Path, keys: Iterable[Key]) -> None:
    """Replace the file, whole or not at all; only its owner can read a new one. Raises OSError.

    A file that is already there keeps its owner, and its group may still read it if it could.
    """
    path = path.resolve()
    entries = [_KEY.dump_python(key, mode="json", exclude_none=True) for key in keys]
    content = orjson.dumps(
        {"version": VERSION, "keys": entries}, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
    )
    number, draft = mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(number, "wb") as file:
            if path.exists():
                _take_over(path.stat(), number)
            file.write(content)
            file.flush()
            os.fsync(number)
        Path(draft).replace(path)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise


def _take_over(old: os.stat_result, number: int) -> None:
    """Give a new file the owner of the old one: `sudo cogitate keys` must not take it from the server's user."""
    mine = os.fstat(number)
    if (mine.st_uid, mine.st_gid) != (old.st_uid, old.st_gid):
        os.fchown(number, old.st_uid, old.st_gid)
    os.fchmod(number, stat.S_IRUSR | stat.S_IWUSR | (old.st_mode & stat.S_IRGRP))


@contextmanager
def locked(path: Path) -> Generator[None]:
    """Keep other commands from changing the file meanwhile. Raises OSError.

    The lock is a file beside it: the file itself is replaced, and whoever waited for it would hold the old one.
    """
    path = path.resolve()
    number = os.open(path.with_name(f".{path.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        flock(number, LOCK_EX)
        yield
    finally:
        os.close(number)


def _parse(content: bytes, faults: list[str]) -> tuple[Key, ...]:
    """Return the keys of a file; what is wrong with them is added to `faults`."""
    try:
        found = orjson.loads(content)
    except orjson.JSONDecodeError as fault:
        faults.append(f"it is not JSON: line {fault.lineno}, column {fault.colno}")
        return ()
    entries: Any = cast("dict[str, Any]", found).get("keys") if isinstance(found, dict) else None
    if not isinstance(entries, list):
        faults.append('it is not an object with a list of "keys"')
        return ()
    top = cast("dict[str, Any]", found)
    if top.get("version") != VERSION:
        faults.append(f'its "version" is not {VERSION}, which this software reads')
    faults += [f"{name[:40]!r} is not known beside 'version' and 'keys'" for name in top.keys() - {"version", "keys"}]
    listed = cast("list[Any]", entries)
    keys = [_to_key(entry, _place(at, entry), faults) for at, entry in enumerate(listed, 1)]
    faults += _twins([cast("dict[str, Any]", e) for e in listed if isinstance(e, dict)])
    return tuple(key for key in keys if key is not None)


def _place(at: int, entry: Any) -> str:
    name: object = cast("dict[str, Any]", entry).get("name") if isinstance(entry, dict) else None
    return f"key {at} ({name[:64]}): " if isinstance(name, str) and not name.startswith("cog_") else f"key {at}: "


def _to_key(entry: Any, place: str, faults: list[str]) -> Key | None:
    try:
        return _KEY.validate_json(orjson.dumps(entry, default=str), strict=True)
    except ValidationError as fault:
        for error in fault.errors(include_url=False, include_input=False, include_context=False):
            field = ".".join(str(part) for part in error["loc"] if part not in {"date", "nullable"})
            kind = error["type"]
            said = _FORMS.get(field) if kind == "string_pattern_mismatch" else _PLAIN.get(kind)
            said = said or error["msg"].removeprefix("Value error, ")
            faults.append(f"{place}{field or 'the entry'}: {said[0].lower()}{said[1:]}")
        return None


def _twins(entries: list[dict[str, Any]]) -> Iterable[str]:
    """Tell what several keys share that each must have alone. An id that is another's name is one, too."""
    for field, said in (("name", "have the same name"), ("id", "have the same id"), ("digest", "have the same digest")):
        places = dict[str, list[int]]()
        for at, entry in enumerate(entries, 1):
            if isinstance(value := entry.get(field), str):
                places.setdefault(value, []).append(at)
        for twins in (p for p in places.values() if len(p) > 1):
            yield f"keys {', '.join(map(str, twins))} {said}"
    pairs = ((a.get("id"), b.get("name")) for a in entries for b in entries if a is not b)
    if any(isinstance(one, str) and one == other for one, other in pairs):
        yield "the id of one key is the name of another"
