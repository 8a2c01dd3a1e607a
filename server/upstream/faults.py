"""What an error reply of a backend means, and what it says."""

import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from math import isfinite, nan
from typing import Any, cast

import orjson

from .errors import Busy, Failed, Refused, UpstreamError

_log = logging.getLogger(__name__)

_LONGEST_MESSAGE = 300  # characters

_OURS = frozenset({401, 402, 403, 404, 405, 407, 408})
"""Statuses that no client brings about: key, path, model and connection are chosen here. Messages may hold secrets."""


def fault(status: int, retry_after: str | None, body: bytes) -> UpstreamError:
    """Return the error that a reply with this status, Retry-After header and body stands for."""
    return meaning(status, *_told(body), _seconds(retry_after))


def meaning(status: int, message: str, param: str | None = None, retry_after: float | None = None) -> UpstreamError:
    """Return the error for what a backend says with this status, in the head of its reply or in the middle of it."""
    if status in {429, 503}:
        return Busy(message or f"the backend is busy ({status})", retry_after)
    if status in _OURS:
        _log.warning("a backend answered %d: %s", status, message)
        return Failed(status, "the backend does not take calls from here")
    if 400 <= status < 500:
        return Refused(status, message or f"the backend refused the request ({status})", param)
    return Failed(status, message or "the backend gave no reason")


def _told(body: bytes) -> tuple[str, str | None]:
    """Return the message of an error body and the field it blames.

    The shapes met in the wild: OpenAI's {"error": {"message", "param"}}, {"error": "..."}, {"message": "..."},
    {"detail": ...}, and plain text.
    """
    try:
        reply: Any = orjson.loads(body)
    except orjson.JSONDecodeError:
        return brief(body.decode(errors="replace")), None
    if not isinstance(reply, dict):
        return brief(_text(reply)), None
    fields = cast("Mapping[str, Any]", reply)
    error: Any = fields.get("error") or fields.get("message") or fields.get("detail") or fields
    if not isinstance(error, dict):
        return brief(_text(error)), None
    details = cast("Mapping[str, Any]", error)
    param = details.get("param")
    return brief(_text(details.get("message") or details)), param if isinstance(param, str) else None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def brief(message: str) -> str:
    """Return the message in one line of at most 300 characters."""
    message = " ".join(message.split())
    return message if len(message) <= _LONGEST_MESSAGE else message[: _LONGEST_MESSAGE - 1] + "…"


def _seconds(retry_after: str | None) -> float | None:
    """Read a Retry-After header (RFC 9110, 10.2.3): seconds, or a date. None where it is neither."""
    if retry_after is None:
        return None
    try:
        seconds = float(retry_after)
    except ValueError:
        seconds = _until(retry_after)
    return max(0.0, seconds) if isfinite(seconds) else None


def _until(date: str) -> float:
    try:
        moment = parsedate_to_datetime(date)
    except ValueError:
        return nan
    return (moment.replace(tzinfo=moment.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
