"""`cogitate prm`: the scoring service."""

import sys
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from rich.console import Console

from server.prm.serve import serve as run
from server.settings import PrmSettings


def prm(**given: Any) -> int:
    """Serve until a signal to stop; return the exit status: 0 stopped, 2 for settings that make no sense.

    What is given wins over the environment; None is not given.
    """
    try:
        run(PrmSettings(**{name: value for name, value in given.items() if value is not None}), _say)
    except ValidationError as faults:
        errors = faults.errors(include_url=False, include_input=False, include_context=False)
        said = "\n".join(f"  {_where(e['loc'], given)}{e['msg']}" for e in errors)
        Console(stderr=True).print(f"The settings make no sense:\n{said}", markup=False, soft_wrap=True)
        return 2
    except ValueError as fault:
        Console(stderr=True).print(f"The settings make no sense: {fault}", markup=False, soft_wrap=True)
        return 2
    return 0


def _where(place: tuple[int | str, ...], options: Mapping[str, Any]) -> str:
    """Name the option and the variable that a setting comes from; a fault of several settings has no place."""
    if not place:
        return ""
    name = str(place[0])
    option = f"--{name.replace('_', '-')} or " if name in options else ""
    return f"{option}COGITATE_PRM_{name.upper()}: "


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
