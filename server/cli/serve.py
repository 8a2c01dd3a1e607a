"""`cogitate serve`: the gateway, in front of the embedded models or of those that the settings name."""

import sys
from typing import Any

from server.settings import Settings
from server.wiring import serve as run
from server.wiring.exposure import refusals

from .faults import complain, words

_QUESTION = "Use 16, 3, 11 to make 81."

PREFIX = "COGITATE_"
"""What the variables of the settings begin with."""


def serve(**given: Any) -> int:
    """Serve until a signal to stop; return the exit status: 0 stopped, 2 for settings that make no sense.

    What is given wins over the environment; None is not given.
    """
    try:
        settings = Settings(**{name: value for name, value in given.items() if value is not None})
        if faults := refusals(settings):
            return complain(faults)
        run(settings, lambda url: _say(url, guarded=settings.keys is not None))
    except ValueError as fault:
        return complain(words(fault, PREFIX, given))
    return 0


def _say(url: str, *, guarded: bool) -> None:
    """Print what to try. Plain, so that it can be copied."""
    key = " -H 'authorization: Bearer YOUR_KEY'" if guarded else ""
    sys.stdout.write(
        f"""
Cogitate answers at {url} (a page to try it), and at {url}/v1 for OpenAI clients. Try:

  curl {url}/v1/chat/completions -H 'content-type: application/json'{key} \\
    -H 'X-Compute-Budget: high' \\
    -d '{{"messages": [{{"role": "user", "content": "{_QUESTION}"}}]}}'

"""
    )
    sys.stdout.flush()
