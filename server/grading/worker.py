"""The process that grades: a keeper, and one child that it forks, kills when time is up, and forks anew.

    python -m server.grading.worker MEMORY_BYTES

The keeper has imported everything, so that a new child takes milliseconds; it only passes lines on, and never looks
at an answer. It says `"ready"` once, then answers each line of JSON on its input with one on its output. It ends with
its input: nothing outlives the process that started it by more than an item's time.
"""

import json
import logging
import os
import resource
import signal
import sys
import warnings
from collections.abc import Sequence
from multiprocessing import get_context
from multiprocessing.connection import Connection
from types import FrameType
from typing import Any, BinaryIO

from . import equivalence

READY = b'"ready"\n'
_WARM_UP = (
    (r"\frac{x}{2}+\sqrt{3}", r"\frac{x+2\sqrt{3}}{2}"),
    ("(y+2)^2", "y^2+4y+4"),
    (r"\frac{\sqrt{7}}{7}", r"\frac{1}{\sqrt{7}}"),
    (r"\sin x", r"\pi r^2"),
    ("x<3", "3>x"),
    ("1<x<2", "(1,2)"),
)
"""What parsers and caches have seen once, every child knows."""


def main(arguments: Sequence[str]) -> None:
    """Serve until the input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # meant for the server, which says when to end
    signal.signal(signal.SIGTERM, _ended)
    logging.disable()
    warnings.simplefilter("ignore")
    replies = open(os.dup(1), "wb", buffering=0)  # noqa: SIM115, PTH123 - for as long as this lives
    os.dup2(2, 1)  # whatever a library prints is no reply
    for pair in _WARM_UP:
        equivalence.compare(*pair)
    keeper = Keeper(int(arguments[0]), replies)
    try:
        replies.write(READY)
        for line in sys.stdin.buffer:
            reply = keeper.reply(line)
            replies.write(reply + b"\n")
    except BrokenPipeError:
        pass  # nobody is left to hear
    finally:
        keeper.close()


def _ended(_signal: int, _frame: FrameType | None) -> None:
    sys.exit(0)


class Keeper:
    """One child at a time, and its lifetime. `private` is what the child closes, so as not to hold it open."""

    def __init__(self, memory: int, private: BinaryIO) -> None:
        self._memory, self._private = memory, private
        self._fork()

    def reply(self, line: bytes) -> bytes:
        """Return the child's reply, or null when there was none within the time; then there is a new child."""
        try:
            self._line.send_bytes(line)
            if self._line.poll(json.loads(line)["seconds"]):
                return self._line.recv_bytes()
        except (EOFError, OSError):
            pass  # it died: out of memory, or a crash in C
        self.close()
        self._fork()
        return b"null"

    def close(self) -> None:
        """Kill the child and wait for its end."""
        self._child.kill()
        self._child.join()
        self._line.close()

    def _fork(self) -> None:
        context = get_context("fork")  # from this process, which has one thread
        self._line, theirs = context.Pipe()
        self._child = context.Process(target=_serve, args=(theirs, self._line, self._private, self._memory))
        self._child.start()
        theirs.close()


def _serve(line: Connection, keepers: Connection, private: BinaryIO, memory: int) -> None:
    """Answer requests until the keeper's end of the line is closed."""
    keepers.close()
    private.close()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    while True:
        try:
            request = json.loads(line.recv_bytes())
        except EOFError:
            return
        # Should the keeper be gone, the kernel kills this process, whatever C code it is in
        signal.setitimer(signal.ITIMER_REAL, request["seconds"] + 1)
        line.send_bytes(json.dumps(respond(request)).encode())
        signal.setitimer(signal.ITIMER_REAL, 0)


def respond(request: dict[str, Any]) -> str | None:
    """Return the mark of one text, or the verdict on two; None for what cannot be read. Raises MemoryError."""
    texts: list[str] = request["texts"]
    try:
        return equivalence.mark(*texts) if len(texts) == 1 else equivalence.compare(*texts)
    except MemoryError:
        raise  # a process that has run out of it once is not to be trusted
    except Exception:  # noqa: BLE001 - parser and algebra raise whatever they like
        return None


if __name__ == "__main__":
    main(sys.argv[1:])
