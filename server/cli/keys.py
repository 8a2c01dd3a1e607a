"""`cogitate keys`: make, list and revoke the keys of clients. A running server follows the file within a second."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from server.keys import Key

app = typer.Typer(
    name="keys", help="Make, list and revoke the API keys of clients (docs/keys.md).", no_args_is_help=True
)

File = Annotated[
    Path | None, typer.Option("--file", help="The file of keys.", envvar="COGITATE_KEYS", show_default=False)
]
Limit = Annotated[int | None, typer.Option(min=1, show_default="no bound")]


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="What it is called in the list, in logs and in traces.")],
    scope: Annotated[
        list[str] | None, typer.Option(help="chat, models or metrics. Repeatable. [default: chat and models]")
    ] = None,
    requests_per_minute: Limit = None,
    requests_per_day: Limit = None,
    compute_per_minute: Annotated[
        int | None, typer.Option(help="In generator tokens, as compute_tokens of a reply.", min=1)
    ] = None,
    compute_per_day: Annotated[int | None, typer.Option(help="In generator tokens.", min=1)] = None,
    max_samples: Annotated[int | None, typer.Option(help="Of one request.", min=1)] = None,
    max_compute: Annotated[int | None, typer.Option(help="Of one request, in generator tokens.", min=1)] = None,
    model: Annotated[list[str] | None, typer.Option(help="Only this model. Repeatable. [default: all]")] = None,
    strategy: Annotated[list[str] | None, typer.Option(help="Only this strategy. Repeatable. [default: all]")] = None,
    priority: Annotated[str, typer.Option(help="high, normal or low: who waits least.")] = "normal",
    expires: Annotated[str | None, typer.Option(help="The last day it is good, e.g. 2027-01-31 (UTC).")] = None,
    file: File = None,
) -> None:
    """Make a key. Its token is printed once, alone on standard output, and kept nowhere."""
    limits = {
        "requests_per_minute": requests_per_minute,
        "requests_per_day": requests_per_day,
        "compute_per_minute": compute_per_minute,
        "compute_per_day": compute_per_day,
        "max_samples": max_samples,
        "max_compute": max_compute,
        "models": model or None,
        "strategies": strategy or None,
    }
    entry = {"name": name, "limits": limits, "priority": priority, "expires": expires}
    raise typer.Exit(_create(entry | ({"scopes": scope} if scope else {}), file))


@app.command("list")
def list_keys(file: File = None) -> None:
    """List the keys and their limits. Never a token: none is kept."""
    raise typer.Exit(_list(file))


@app.command()
def revoke(
    key: Annotated[str, typer.Argument(metavar="NAME|ID", help="The key's name or id.")], file: File = None
) -> None:
    """Take a key away. Servers refuse it a second later."""
    raise typer.Exit(_revoke(key, file))


def _create(entry: dict[str, Any], file: Path | None) -> int:
    """Add a key to the file; return the exit status: 0 made, 2 where that is not possible."""
    from server.keys import keyfile
    from server.keys.key import digest, new_id, new_token

    token = new_token()
    try:
        key = keyfile.checked({"id": new_id(), "digest": digest(token), **entry})
        if key.expired():
            return _refused(f"expires: {key.expires} has passed")
        path = _named(file)
        with keyfile.locked(path):
            keys = keyfile.read(path) if path.exists() else ()
            if any(name in {k.id, k.name} for k in keys for name in (key.id, key.name)):
                return _refused(f"name: there is a key {key.name} already; revoke it first, or take another name")
            keyfile.write(path, (*keys, key))
    except (OSError, ValueError) as fault:
        return _refused(str(fault))
    sys.stderr.write(f"Key {key.name} ({key.id}) is in {path}. Its token is shown this once:\n")
    sys.stdout.write(f"{token}\n")
    return 0


def _list(file: Path | None) -> int:
    """Print a table of the keys; return the exit status: 0 printed, 2 for a file that cannot be used."""
    from rich.console import Console
    from rich.table import Table

    from server.keys import keyfile

    try:
        keys = keyfile.read(_named(file))
    except ValueError as fault:
        return _refused(str(fault))
    table = Table("name", "id", "scopes", "limits", "priority", "expires")
    for key in keys:
        expires = f"{key.expires or 'never'}{' (has expired)' if key.expired() else ''}"
        table.add_row(key.name, key.id, ", ".join(sorted(key.scopes)), "\n".join(_limits(key)), key.priority, expires)
    console = Console()
    console.width = console.width if console.is_terminal else 200  # in a pipe a row is not to be cut
    console.print(table, markup=False)
    return 0


def _limits(key: "Key") -> Iterator[str]:
    from dataclasses import fields

    for field in fields(key.limits):
        value: int | frozenset[str] | None = getattr(key.limits, field.name)
        if value is not None:
            text = f"{value:,}" if isinstance(value, int) else ", ".join(sorted(value))
            yield f"{field.name.replace('_', ' ')}: {text}"


def _revoke(wanted: str, file: Path | None) -> int:
    """Take a key out of the file; return the exit status: 0 gone, 2 where there is none or the file cannot be used."""
    from server.keys import keyfile

    try:
        path = _named(file)
        with keyfile.locked(path):
            keys = keyfile.read(path)
            left = [key for key in keys if wanted not in {key.id, key.name}]
            if len(left) == len(keys):
                return _refused(f"there is no key {wanted} in {path}")
            keyfile.write(path, left)
    except (OSError, ValueError) as fault:
        return _refused(str(fault))
    sys.stderr.write(f"Key {wanted} is revoked: servers that read {path} refuse it within a second.\n")
    return 0


def _named(file: Path | None) -> Path:
    """Return the file. Raises ValueError where nobody says which."""
    if file is None:
        raise ValueError("which file? --file PATH names it, or COGITATE_KEYS")
    return file


def _refused(why: str) -> int:
    sys.stderr.write(f"{why}\n")
    return 2
