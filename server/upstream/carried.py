"""What calls carry on behalf of the request they are made for: the context of its trace."""

from collections.abc import Mapping
from contextvars import ContextVar

carried: ContextVar[Mapping[str, str]] = ContextVar("carried", default={})  # noqa: B039 - never changed, only replaced
"""Headers added to every call that is made while it is set; tasks inherit it."""
