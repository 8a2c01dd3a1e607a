"""The keys that a server knows. It follows their file, so that a key is revoked without a restart."""

import logging
from collections.abc import Callable
from hmac import compare_digest
from pathlib import Path
from time import monotonic

from . import keyfile
from .key import Key, digest

_log = logging.getLogger(__name__)

_EVERY = 1.0
"""Seconds between looks at the file."""

_Mark = tuple[int, int, int, int] | None
"""What tells one state of the file from another; None: it is not there."""


class Keyring:
    """The keys of a file. `find` takes the same time for every token, and microseconds for tens of keys."""

    def __init__(self, path: Path, keys: tuple[Key, ...], mark: _Mark, clock: Callable[[], float] = monotonic) -> None:
        self._path, self._keys, self._mark, self._clock = path, keys, mark, clock
        self._next = clock() + _EVERY

    @classmethod
    def read(cls, path: Path, clock: Callable[[], float] = monotonic) -> "Keyring":
        """Read a file of keys. Raises ValueError with every fault of it, a line each."""
        mark = _mark(path)  # before the content: a change between the two is seen at the next look
        return cls(path, keyfile.read(path), mark, clock)

    @property
    def keys(self) -> tuple[Key, ...]:
        """The keys as they were last read, the expired among them."""
        return self._keys

    def find(self, token: str) -> Key | None:
        """Return the key of a token, None for one that is unknown, revoked or expired.

        Every digest is compared whole and none ends the search, so that the time says nothing of how near a guess was.
        """
        self._follow()
        wanted, found = digest(token), None
        for key in self._keys:
            if compare_digest(key.digest, wanted):
                found = key
        return None if found is None or found.expired() else found

    def _follow(self) -> None:
        """Read the file again when it has changed. One that cannot be used leaves everything as it was."""
        now = self._clock()
        if now < self._next:
            return
        self._next = now + _EVERY
        mark = _mark(self._path)
        if mark == self._mark:
            return
        self._mark = mark
        try:
            self._keys = keyfile.read(self._path)
        except ValueError as fault:
            _log.error("the keys stay as they were: %s", fault)
        else:
            _log.info("%d keys read from %s", len(self._keys), self._path)


def _mark(path: Path) -> _Mark:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_ctime_ns, found.st_size  # ctime: rights that were mended
