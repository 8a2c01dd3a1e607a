"""API keys: who they are, what each may do, and what it has used."""

from .key import Key, KeyLimits, Priority, Scope
from .keyring import Keyring
from .local import LocalQuota
from .quota import Exhausted, Quota, Reservation, Unavailable
from .shared import RedisQuota

__all__ = [
    "Exhausted",
    "Key",
    "KeyLimits",
    "Keyring",
    "LocalQuota",
    "Priority",
    "Quota",
    "RedisQuota",
    "Reservation",
    "Scope",
    "Unavailable",
]
