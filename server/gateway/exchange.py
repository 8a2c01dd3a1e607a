"""One request from its arrival to its end, as the observers will hear of it."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace

from router.answering import Answer
from router.budget import Budget
from server.report import Outcome, Report, RequestObserver

from .budgets import Grant

_log = logging.getLogger(__name__)

_INSTANT = 0.001
"""Seconds left to a request whose deadline has passed before it began."""


class Exchange:
    """The notes on one request; `close` hands them to the observers. Times are the event loop's."""

    def __init__(self, request_id: str, observers: tuple[RequestObserver, ...]) -> None:
        self.request_id = request_id
        self.outcome = Outcome.CANCELLED
        """Until something else has happened: a request that only stops was cancelled."""
        self.grant: Grant | None = None
        self.answer: Answer | None = None
        self.stream = False
        self.model: str | None = None
        self.cause: str | None = None
        self._observers = observers
        self._clock = asyncio.get_running_loop().time
        self._start = self._clock()
        self._first: float | None = None
        for observer in observers:
            _isolated(observer.started)

    @property
    def seconds(self) -> float:
        """Time since the request arrived."""
        return self._clock() - self._start

    def remaining(self, budget: Budget) -> Budget:
        """Return `budget` with the time until now taken off its deadline: it runs from the arrival."""
        if budget.deadline is None:
            return budget
        return replace(budget, deadline=max(_INSTANT, budget.deadline - self.seconds))

    def first_token(self) -> None:
        """Note that the answer begins to leave."""
        if self._first is None:
            self._first = self.seconds

    def close(self) -> None:
        """Report how it ended."""
        report = Report(
            request_id=self.request_id,
            outcome=self.outcome,
            stream=self.stream,
            seconds=self.seconds,
            first_token=self._first,
            preset=self.grant.name if self.grant else None,
            budget=self.grant.budget if self.grant else None,
            answer=self.answer,
            model=self.model,
            cause=self.cause,
        )
        for observer in self._observers:
            _isolated(lambda o=observer: o.ended(report))


def _isolated(notify: Callable[[], None]) -> None:
    """Keep a fault of an observer from the client: watching must not change what is watched."""
    try:
        notify()
    except Exception:  # noqa: BLE001 - an observer is not worth a request
        _log.exception("an observer failed")
