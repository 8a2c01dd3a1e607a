"""Settings that are each in order, and together leave the server open or its limits without effect."""

import socket
from ipaddress import ip_address

from server.keys import Keyring
from server.settings import Settings


def refusals(settings: Settings) -> list[str]:
    """Return why the server is not to be started like this, in plain words; nothing where it may."""
    return [*_keys(settings), *_openness(settings)]


def _openness(settings: Settings) -> list[str]:
    if settings.keys or settings.anonymous or is_loopback(settings.host):
        return []
    said = (
        f"COGITATE_HOST is {settings.host}, which others can reach, and nobody is asked for a key: name a file of keys "
        "in COGITATE_KEYS (`cogitate keys create` makes one), or set COGITATE_ANONYMOUS=true if whoever can reach it "
        "may use it"
    )
    return [said]


def _keys(settings: Settings) -> list[str]:
    if settings.keys is None:
        return []
    try:
        keys = Keyring.read(settings.keys).keys
    except ValueError as fault:
        return [f"COGITATE_KEYS: {line}" for line in str(fault).splitlines()]
    if settings.workers == 1 or settings.redis or not any(key.limits.bounded for key in keys):
        return []
    said = (
        f"COGITATE_WORKERS is {settings.workers}, and there are keys with limits: each worker would count for itself. "
        "Name a Redis in COGITATE_REDIS that they count in, or set COGITATE_WORKERS=1"
    )
    return [said]


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can reach what listens on `host`."""
    try:
        found = {str(entry[4][0]) for entry in socket.getaddrinfo(host or None, None, flags=socket.AI_PASSIVE)}
    except OSError:
        return False
    return all(ip_address(address.partition("%")[0]).is_loopback for address in found)
