"""W3C Trace Context as it comes from a client: read strictly, in bounded size, or not at all."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from starlette.datastructures import Headers

PARENT, STATE = "traceparent", "tracestate"

_LONGEST_PARENT = 256
_LONGEST_STATE = 512
"""Characters of `tracestate`: as many as everyone has to pass on."""

_MOST_MEMBERS = 32
_SAMPLED = 1

_PARENT = re.compile(
    r"(?P<version>[0-9a-f]{2})-(?P<trace>[0-9a-f]{32})-(?P<span>[0-9a-f]{16})-(?P<flags>[0-9a-f]{2})(?P<more>-.*)?"
)
_MEMBER = re.compile(
    r"(?P<key>[a-z][a-z0-9_\-*/]{0,255}|[a-z0-9][a-z0-9_\-*/]{0,240}@[a-z][a-z0-9_\-*/]{0,13})"
    r"=(?P<value>[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e])"
)


@dataclass(frozen=True, slots=True)
class TraceContext:
    """Where a caller's trace stands: ids in hexadecimal, its state as pairs, first the latest."""

    trace: str
    span: str
    sampled: bool
    state: tuple[tuple[str, str], ...] = ()
    headers: dict[str, str] = field(default_factory=dict[str, str])
    """What passes it on as it came."""


def read(headers: Mapping[str, str]) -> TraceContext | None:
    """Return the context in the headers; None where there is none, or one that is not valid.

    A state that is not valid, or too long, is left out: the context holds without it.
    """
    lines = _lines(headers, PARENT)
    if len(lines) != 1 or len(lines[0]) > _LONGEST_PARENT:
        return None
    found = _PARENT.fullmatch(lines[0].strip(" \t"))
    if not found or not _valid(found):
        return None
    state = _state(headers)
    # a later version is passed on as what of it is understood
    parent = found[0] if found["version"] == "00" else f"00-{found['trace']}-{found['span']}-{_flags(found):02x}"
    passed = {PARENT: parent}
    if state:
        passed[STATE] = ",".join(f"{key}={value}" for key, value in state)
    return TraceContext(found["trace"], found["span"], bool(_flags(found)), state, passed)


def _lines(headers: Mapping[str, str], name: str) -> list[str]:
    """Return every header of this name: a mapping of Starlette's may have several."""
    if isinstance(headers, Headers):
        return headers.getlist(name)
    return [headers[name]] if name in headers else []


def _valid(found: re.Match[str]) -> bool:
    if found["version"] == "ff" or (found["version"] == "00" and found["more"]):
        return False
    return found["trace"].strip("0") != "" and found["span"].strip("0") != ""


def _flags(found: re.Match[str]) -> int:
    return int(found["flags"], 16) & _SAMPLED


def _state(headers: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    line = ",".join(_lines(headers, STATE))
    if not line or len(line) > _LONGEST_STATE:
        return ()
    members = [_MEMBER.fullmatch(member) for part in line.split(",") if (member := part.strip(" \t"))]
    pairs = {m["key"]: m["value"] for m in members if m}
    return tuple(pairs.items()) if len(pairs) == len(members) <= _MOST_MEMBERS else ()
