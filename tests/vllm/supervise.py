"""Runs a command in a process group of its own, and ends the group with whoever holds the other end of our input.

So no server outlives the tests, however they end. A signal ends the group, too. Writes the group's number first.
"""

import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress

_SECONDS = 15.0  # that a server gets to end by itself


def main() -> int:
    with subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL, stdout=sys.stderr, start_new_session=True) as server:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: threading.Thread(target=_end, args=(server,)).start())
        sys.stdout.write(f"{server.pid}\n")
        sys.stdout.flush()
        threading.Thread(target=_end_with_holder, args=(server,), daemon=True).start()
        code = server.wait()
        _signal(server.pid, signal.SIGKILL)  # what it has left behind
    return code


def _end_with_holder(server: subprocess.Popen[bytes]) -> None:
    sys.stdin.read()
    _end(server)


def _end(server: subprocess.Popen[bytes]) -> None:
    _signal(server.pid, signal.SIGCONT)  # a stopped process hears nothing
    server.terminate()
    with suppress(subprocess.TimeoutExpired):
        server.wait(_SECONDS)
    _signal(server.pid, signal.SIGKILL)


def _signal(group: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, number)


if __name__ == "__main__":
    sys.exit(main())
