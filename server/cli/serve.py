"""`cogitate serve`: the gateway in front of the embedded models."""

import sys

from rich.console import Console

from server.settings import Settings
from server.wiring import serve as run

_QUESTION = "Use 16, 3, 11 to make 81."


def serve(host: str | None, port: int | None) -> int:
    """Serve until a signal to stop; return the exit status: 0 stopped, 2 for settings that make no sense."""
    given = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
    try:
        settings = Settings.model_validate({**Settings().model_dump(), **given})
        run(settings, _say)
    except ValueError as fault:
        Console(stderr=True).print(f"The settings make no sense: {fault}", markup=False)
        return 2
    return 0


def _say(url: str) -> None:
    """Print what to try. Plain, so that it can be copied."""
    sys.stdout.write(
        f"""
Cogitate answers at {url} (a page to try it), and at {url}/v1 for OpenAI clients. Try:

  curl {url}/v1/chat/completions -H 'content-type: application/json' \\
    -H 'X-Compute-Budget: high' \\
    -d '{{"messages": [{{"role": "user", "content": "{_QUESTION}"}}]}}'

"""
    )
    sys.stdout.flush()
