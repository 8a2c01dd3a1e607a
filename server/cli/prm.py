"""`cogitate prm`: the scoring service."""

import sys
from typing import Any

from server.prm.serve import serve as run
from server.settings import PrmSettings

from .faults import complain, words


def prm(**given: Any) -> int:
    """Serve until a signal to stop; return the exit status: 0 stopped, 2 for settings that make no sense.

    What is given wins over the environment; None is not given.
    """
    try:
        run(PrmSettings(**{name: value for name, value in given.items() if value is not None}), _say)
    except ValueError as fault:
        return complain(words(fault, "COGITATE_PRM_", given))
    return 0


def _say(url: str) -> None:
    """Print what to try. Plain, so that it can be copied."""
    sys.stdout.write(
        f"""
The scoring service listens at {url}; it is ready when {url}/ready says so. Try:

  curl {url}/v1/score -H 'content-type: application/json' \\
    -d '{{"items": [{{"problem": "What is 2 + 3 * 4?", "steps": ["3 * 4 = 12.", "2 + 12 = 14."]}}]}}'

"""
    )
    sys.stdout.flush()
