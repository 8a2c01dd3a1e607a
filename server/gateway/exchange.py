"""One request from its arrival to its end, as the observers will hear of it."""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from math import ceil

from router.answering import Answer
from router.budget import Budget
from router.events import Event, Observer, Text
from server.report import Outcome, Port, Report, RequestObserver, Step, Trace

from .metering import Meter
from .orders import Order

_log = logging.getLogger(__name__)

_INSTANT = 0.001
"""Seconds left to a request whose deadline has passed before it began."""


class Exchange:
    """The notes on one request; `close` hands them to the observers. Times are in seconds."""

    def __init__(self, request_id: str, observers: tuple[RequestObserver, ...], trace: Trace) -> None:
        self.request_id = request_id
        self.trace = trace
        self.outcome = Outcome.CANCELLED
        """Until something else has happened: a request that only stops was cancelled."""
        self.status = 200
        self.order: Order | None = None
        """What it asked for."""
        self.granted: Budget | None = None
        """What it got, which is less under pressure."""
        self.answer: Answer | None = None
        self.cause: str | None = None
        self.shed: str | None = None
        self.key: str | None = None
        self.headers: Mapping[str, str] = {}
        """What a reply says beside the account of its compute."""
        self.queued = 0.0
        self._observers = observers
        self._clock = time.monotonic  # the time of uvloop comes in whole milliseconds
        self._start = self._clock()
        self._began = time.time()
        self._first: float | None = None
        self._steps = list[Step]()
        self.meter = Meter(lambda: self.seconds)
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

    def recorded(self, observe: Observer) -> Observer:
        """Return an observer that keeps what happens, pieces of text aside, before it tells `observe`."""

        def record(event: Event) -> None:
            if not isinstance(event, Text):
                self._steps.append(Step(self.seconds, event))
            observe(event)

        return record

    @property
    def spent(self) -> int:
        """The compute that its calls have taken, in generator-token equivalents, whatever became of them."""
        if self.answer:
            return self.answer.spent.compute
        scorer = self.order.model.scorer if self.order else None
        tokens = {port: sum(call.tokens for call in self.meter.calls if call.port is port) for port in Port}
        return tokens[Port.GENERATE] + ceil(tokens[Port.SCORE] * (scorer.ratio if scorer else 0.0))

    def shortages(self, answer: Answer) -> tuple[str, ...]:
        """Return what the answer had less of than was asked for, because of others or of the key, and why."""
        asked, granted = self.order.grant.budget if self.order else None, self.granted
        if asked is None or granted is None:
            return ()
        told = list[str]()
        if (asked.samples or 0) > (granted.samples or 0):
            told.append(f"samples: {granted.samples} of {asked.samples}, for the server or the key allows no more now")
        if answer.stopped == "budget" and granted.tokens != asked.tokens:
            told.append(f"quota: {granted.tokens} tokens of compute are all that the key allows now")
        return tuple(told)

    def first_token(self) -> None:
        """Note that the answer begins to leave."""
        if self._first is None:
            self._first = self.seconds

    def close(self) -> None:
        """Report how it ended."""
        order = self.order
        report = Report(
            request_id=self.request_id,
            outcome=self.outcome,
            stream=bool(order and order.request.stream),
            seconds=self.seconds,
            first_token=self._first,
            preset=order.grant.name if order else None,
            budget=self.granted,
            answer=self.answer,
            model=order.model.id if order else None,
            cause=self.cause,
            began=self._began,
            asked=order.grant.budget if order else None,
            shed=self.shed,
            status=self.status,
            upstream=self.meter.seconds,
            queued=self.queued,
            key=self.key,
            policy=order.chosen.by if order else None,
            seed=order.seed if order else None,
            trace_id=self.trace.id,
            problem=order.problem if order else None,
            steps=tuple(self._steps),
            calls=tuple(self.meter.calls),
        )
        for observer in self._observers:
            _isolated(lambda o=observer: o.ended(report))
        _isolated(lambda: self.trace.ended(report))


def _isolated(notify: Callable[[], None]) -> None:
    """Keep a fault of an observer from the client: watching must not change what is watched."""
    try:
        notify()
    except Exception:  # noqa: BLE001 - an observer is not worth a request
        _log.exception("an observer failed")
