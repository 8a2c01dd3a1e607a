"""Keys for tests."""

from typing import Any
from uuid import uuid4

from server.keys import Key, KeyLimits
from server.keys.key import digest, new_token


def key(**limits: Any) -> Key:
    """Return a key that no other test has."""
    return Key(f"key_{uuid4().hex}", "test", digest(new_token()), limits=KeyLimits(**limits))


class Clock:
    """Goes only when told to."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now
