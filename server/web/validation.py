"""A request's body against its schema, and the refusal that names the field at fault."""

from collections.abc import Collection, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from .errors import ApiError, invalid

M = TypeVar("M", bound=BaseModel)

_LOUDEST = 200
"""Characters of a validation message that are repeated to the client."""


def parsed(schema: type[M], body: bytes, fields: Collection[str]) -> M:
    """Return the body as `schema`, whose `fields` at all depths can be named. Raises ApiError (400)."""
    try:
        return schema.model_validate_json(body)
    except ValidationError as failure:
        raise _refusal(failure, fields) from None


def checked(schema: type[M], values: Mapping[str, Any], fields: Collection[str]) -> M:
    """Return values that have been read from a body as `schema`. Raises ApiError (400)."""
    try:
        return schema.model_validate(values)
    except ValidationError as failure:
        raise _refusal(failure, fields) from None


def _refusal(failure: ValidationError, fields: Collection[str]) -> ApiError:
    """Return the first fault only: a small body can hold a million."""
    first = failure.errors(include_url=False, include_context=False, include_input=False)[0]
    param = _param(first, fields)
    message = first["msg"][:_LOUDEST]
    return invalid(f"'{param}': {message}." if param else f"{message}.", param)


def _param(error: ErrorDetails, fields: Collection[str]) -> str | None:
    """Return the field's name as in `messages[0].role`, without what pydantic adds for unions."""
    param = ""
    for part in error["loc"]:
        if isinstance(part, int):
            param += f"[{part}]"
        elif part in fields:
            param += f".{part}" if param else part
    return param or None
