"""How far a long run has come: a bar in a terminal, a line now and then where nobody watches."""

import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

_EVERY = 30.0
"""Seconds between two lines."""

_WINDOW = 600.0
"""Seconds over which a terminal's estimate of the speed is taken: questions differ much."""


class Questionnaire:
    """Shows how many of `total` questions are done, and how long the others will take.

    `before` were done by earlier runs; `clock` is in seconds.
    """

    def __init__(self, console: Console, total: int, before: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._console, self._total, self._clock = console, total, clock
        self._before, self._done, self._skipped = before, before, 0
        self._start = self._told = clock()
        self._bar = _bar(console) if console.is_terminal else None
        self._task = self._bar.add_task("asking", total=total, completed=before) if self._bar else None

    def __enter__(self) -> Self:
        """Begin to show."""
        if self._bar:
            self._bar.start()
        else:
            self._tell(f"{self._done} of {self._total} questions are done")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the last state standing."""
        if self._bar:
            self._bar.stop()
        elif self._done > self._before:
            self._tell(self._state())

    def one_more(self, usable: bool) -> None:
        """Count a question."""
        self._done += 1
        self._skipped += not usable
        if self._bar and self._task is not None:
            self._bar.update(self._task, advance=1, description="asking" + self._skips())
        elif self._clock() - self._told >= _EVERY:
            self._tell(self._state())

    def _tell(self, text: str) -> None:
        self._told = self._clock()
        self._console.print(text, markup=False, highlight=False)

    def _state(self) -> str:
        left = self._total - self._done
        seconds = (self._clock() - self._start) / max(1, self._done - self._before) * left
        remaining = f", about {_duration(seconds)} left" if left else ""
        return f"{self._done} of {self._total} questions are done{self._skips()}{remaining}"

    def _skips(self) -> str:
        return f", {self._skipped} skipped" if self._skipped else ""


def _bar(console: Console) -> Progress:
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    return Progress(*columns, TimeRemainingColumn(), console=console, speed_estimate_period=_WINDOW)


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{round(seconds)} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"
