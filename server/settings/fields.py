"""The types of settings."""

import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, SecretStr, StringConstraints
from pydantic_settings import NoDecode

from server.upstream.addresses import Address


def _split(value: object) -> object:
    """Take a list as it is written in an environment variable: with commas."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def check_address(value: str) -> str:
    """Return an address as it is. Raises ValueError for what is none."""
    if re.fullmatch(r"(dns\+)?https?://[^\s/?#@]+(/[^\s?#]*)?", value):
        Address.parse(value)
        return value
    raise ValueError("an address looks like http://host:8000 or dns+http://name:8000; a key goes into api_key")


Source = Annotated[str, AfterValidator(check_address)]
"""`http://host:8000`, or `dns+http://name:8000` for every address behind a name."""

Sources = Annotated[tuple[Source, ...], NoDecode, BeforeValidator(_split)]


def _stripped(value: object) -> object:
    """Take what is empty for not set, as in `KEY=${KEY:-}`, and a key without the line end of its file."""
    return (value.strip() or None) if isinstance(value, str) else value


def _sendable(key: SecretStr | None) -> SecretStr | None:
    if key is None or re.fullmatch(r"[\x21-\x7e]+", key.get_secret_value()):
        return key
    raise ValueError("a key has printable ASCII characters only, and no spaces")


Text = Annotated[str | None, BeforeValidator(_stripped)]

File = Annotated[Path | None, BeforeValidator(_stripped)]

Key = Annotated[SecretStr | None, BeforeValidator(_stripped), AfterValidator(_sendable)]

ModelId = Annotated[str, StringConstraints(min_length=1, max_length=200)]
