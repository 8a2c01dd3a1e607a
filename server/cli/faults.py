"""Settings that make no sense, told all at once, in plain words, and by the names under which they were given."""

from collections.abc import Collection, Iterable

from pydantic import ValidationError
from rich.console import Console


def words(fault: ValueError, prefix: str, options: Collection[str] = ()) -> list[str]:
    """Return what is wrong, a line each, without any value that was given: it may be a secret.

    Settings come from variables that begin with `prefix`, or from the command's `options`.
    """
    if not isinstance(fault, ValidationError):
        return str(fault).splitlines()
    errors = fault.errors(include_url=False, include_input=False, include_context=False)
    return [f"{_where(e['loc'], prefix, options)}{e['msg'].removeprefix('Value error, ')}" for e in errors]


def complain(lines: Iterable[str]) -> int:
    """Write them to standard error; return the exit status for settings that make no sense."""
    said = "\n".join(f"  {line}" for line in lines)
    Console(stderr=True).print(f"The settings make no sense:\n{said}", markup=False, highlight=False, soft_wrap=True)
    return 2


def _where(place: tuple[int | str, ...], prefix: str, options: Collection[str]) -> str:
    """Name the option and the variable that a setting comes from; a fault of several settings has no place."""
    if not place:
        return ""
    name = str(place[0])
    option = f"--{name.replace('_', '-')} or " if name in options else ""
    inner = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place[1:])
    return f"{option}{prefix}{name.upper()}{inner}: "
