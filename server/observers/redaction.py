"""What backends say of their failures, without what they were asked: some repeat parts of a prompt in an error."""

import re
from collections.abc import Iterable
from functools import cached_property

from server.report import Report

_LONGEST = 300
"""Characters of a cause."""

_WORD = re.compile(r"\w{4,}")
"""Shorter words tell nothing, and nearly every message has them."""


class Mask:
    """Hides every word that was asked or answered in one request, of those with four letters or digits and more."""

    def __init__(self, report: Report) -> None:
        self._report = report

    def __call__(self, cause: str) -> str:
        """Return `cause` with such words masked, and at most 300 characters of it."""
        masked = _WORD.sub(lambda m: "[…]" if m[0].casefold() in self._secret else m[0], cause)
        return masked if len(masked) <= _LONGEST else masked[: _LONGEST - 1] + "…"

    def cause(self) -> str | None:
        """Return in words what went wrong with the request, None where nothing did."""
        answer, cause = self._report.answer, self._report.cause
        cause = cause or (", ".join(answer.degraded) if answer else "")
        return self(cause) if cause else None

    @cached_property
    def _secret(self) -> frozenset[str]:
        return frozenset(word.casefold() for text in self._texts() for word in _WORD.findall(text))

    def _texts(self) -> Iterable[str]:
        if self._report.problem:
            yield from (message.content for message in self._report.problem.messages)
        if self._report.answer:
            yield from (solution.text for solution in self._report.answer.verdict.ranking)
        for step in self._report.steps:
            yield getattr(step.event, "answer", None) or ""
