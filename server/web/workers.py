"""Several processes that serve one socket, and the one that looks after them.

Uvicorn's own supervisor would kill a worker that loads its models for more than a few seconds, and does not know of
draining. Workers are spawned, not forked: each builds all it needs. They are in sessions of their own, so that Ctrl+C
reaches only the one that looks after them, and stop when that has died.
"""

import logging
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from socket import socket
from types import FrameType

from .process import url_of

_log = logging.getLogger(__name__)
_spawn = multiprocessing.get_context("spawn")

_SIGNALS = (signal.SIGTERM, signal.SIGINT)

_LONGEST_PAUSE = 30.0
"""Seconds before a worker is started again that has died while it started, at most."""

Work = Callable[[socket, Callable[[str], None]], None]
"""Serves a listening socket until a signal to stop, and says so once it does. Can be pickled. Raises ValueError."""


@dataclass(eq=False, slots=True)
class _Worker:
    process: SpawnProcess
    line: Connection
    """Tells "" once it serves, or why it cannot; it is closed when either side dies."""
    failures: int
    serves: bool = False


class Workers:
    """So many processes that do `work` on a `listening` socket.

    `announce` is told the address once the first of them serves, and `buried` each process that has ended.
    """

    def __init__(
        self,
        work: Work,
        number: int,
        listening: socket,
        announce: Callable[[str], None],
        buried: Callable[[int], None],
    ) -> None:
        self._work = work
        self._number = number
        self._listening = listening
        self._announce = announce
        self._buried = buried
        self._workers: list[_Worker] = []
        self._due: list[tuple[float, int]] = []
        """When workers are started again, and how often in a row they have failed."""
        self._announced = False
        self._signals = 0
        self._heard, self._bell = _spawn.Pipe(duplex=False)

    def run(self) -> None:
        """Serve until a signal to stop, then until all that runs has ended. Raises ValueError where none can start."""
        with self._signalled():
            try:
                self._due = [(0.0, 0)] * self._number
                while not self._signals:
                    self._start_due()
                    self._look()
            finally:
                self._stop()

    def _start_due(self) -> None:
        now = time.monotonic()
        for due in [due for due in self._due if due[0] <= now]:
            self._due.remove(due)
            self._workers.append(self._started(due[1]))

    def _started(self, failures: int) -> _Worker:
        line, far = _spawn.Pipe()
        process = _spawn.Process(target=_serve, args=(self._work, self._listening, far))
        process.start()
        far.close()
        return _Worker(process, line, failures)

    def _look(self) -> None:
        """Wait until something happens, and see to it."""
        lines = [w.line for w in self._workers if not w.serves]
        pause = min((max(0.0, due - time.monotonic()) for due, _ in self._due), default=None)
        happened = wait([self._heard, *lines, *(w.process.sentinel for w in self._workers)], pause)
        if self._heard in happened:
            self._heard.recv_bytes()
        for worker in [w for w in self._workers if w.line in happened]:
            self._listen(worker)
        for worker in [w for w in self._workers if w.process.sentinel in happened]:
            self._bury(worker)

    def _listen(self, worker: _Worker) -> None:
        try:
            fault = worker.line.recv()
        except (EOFError, OSError):  # it has died: its end is seen by itself
            return
        if fault:
            raise ValueError(fault)
        worker.serves = True
        if not self._announced:
            self._announced = True
            self._announce(url_of(self._listening))

    def _bury(self, worker: _Worker) -> None:
        """Forget a worker that has ended, and have another one in its place unless nothing ever started."""
        worker.process.join()
        worker.line.close()
        self._workers.remove(worker)
        self._buried(worker.process.pid or 0)
        if self._signals:
            return
        _log.error("worker %s has ended with status %s", worker.process.pid, worker.process.exitcode)
        if not self._announced:
            raise ValueError("no worker could start; the log says why")
        failures = 0 if worker.serves else worker.failures + 1
        pause = min(_LONGEST_PAUSE, 2.0**failures) if failures else 0.0
        self._due.append((time.monotonic() + pause, failures))

    def _stop(self) -> None:
        """Let all workers end what they are at. A further signal is passed on, too."""
        self._signals = max(1, self._signals)
        self._listening.close()  # or connections would wait for nobody once the last worker has closed it
        told = 0
        while self._workers:
            if told < self._signals:
                told = self._signals
                for worker in self._workers:
                    worker.process.terminate()
            self._await_end()

    def _await_end(self) -> None:
        happened = wait([self._heard, *(w.process.sentinel for w in self._workers)])
        if self._heard in happened:
            self._heard.recv_bytes()
        for worker in [w for w in self._workers if w.process.sentinel in happened]:
            self._bury(worker)

    @contextmanager
    def _signalled(self) -> Generator[None]:
        before = {number: signal.signal(number, self._signal) for number in _SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            self._bell.close()
            self._heard.close()

    def _signal(self, _number: int, _frame: FrameType | None) -> None:
        self._signals += 1
        self._bell.send_bytes(b"!")


def _serve(work: Work, listening: socket, line: Connection) -> None:
    """Do the work, as a process of its own."""
    os.setsid()
    threading.Thread(target=_stop_with, args=(line,), daemon=True).start()
    try:
        work(listening, lambda _url: line.send(""))
    except ValueError as fault:
        line.send(str(fault))
        sys.exit(2)


def _stop_with(line: Connection) -> None:
    """Stop in an orderly way when the other side of `line` has gone."""
    try:
        line.recv()
    except (EOFError, OSError):
        os.kill(os.getpid(), signal.SIGTERM)
