"""`cogitate serve`: the gateway in front of the embedded models."""

from pydantic import ValidationError
from rich.console import Console

from server.settings import Settings
from server.wiring import serve as run


def serve(host: str | None, port: int | None) -> int:
    """Serve until a signal to stop; return the exit status: 0 stopped, 2 for settings that make no sense."""
    given = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
    try:
        settings = Settings.model_validate({**Settings().model_dump(), **given})
        run(settings)
    except (ValidationError, ValueError) as fault:
        Console(stderr=True).print(f"The settings make no sense: {fault}", markup=False)
        return 2
    return 0
