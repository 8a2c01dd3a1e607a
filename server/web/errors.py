"""Errors in OpenAI's shape. Whatever goes wrong becomes an ApiError, and only its message reaches the client.

400 invalid_request_error   the request cannot be served as it is
404 invalid_request_error   no such model, no such route
408 invalid_request_error   the body did not come
413 invalid_request_error   the body is too large
503 overloaded_error        not now
500 server_error            a fault of ours
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from starlette.responses import Response

from .json import json_response

_log = logging.getLogger(__name__)


def _no_headers() -> Mapping[str, str]:
    return {}


@dataclass(eq=False)  # not frozen: Python writes tracebacks into exceptions
class ApiError(Exception):
    """What the client is told: `param` names the field at fault, `code` is for programs."""

    status: int
    message: str
    type: str = "invalid_request_error"
    code: str | None = None
    param: str | None = None
    headers: Mapping[str, str] = field(default_factory=_no_headers)

    def __str__(self) -> str:
        return self.message

    def object(self) -> dict[str, Any]:
        """Return the error as it stands in a reply or in a reply's entry."""
        return {"message": self.message, "type": self.type, "param": self.param, "code": self.code}

    def body(self) -> dict[str, Any]:
        """Return the error as the whole of a reply or of a stream's last event."""
        return {"error": self.object()}

    def response(self) -> Response:
        """Return the error as a reply."""
        return json_response(self.body(), self.status, self.headers)


def invalid(message: str, param: str | None = None, code: str | None = None) -> ApiError:
    """Return a 400."""
    return ApiError(400, message, code=code, param=param)


def model_not_found(model: str, served: Sequence[str]) -> ApiError:
    """Return a 404 for an unknown model."""
    names = ", ".join(f"'{name}'" for name in served)
    text = f"The model '{model[:80]}' does not exist; this server has {names}."
    return ApiError(404, text, code="model_not_found", param="model")


def too_slow() -> ApiError:
    """Return a 408 that ends the connection, for the rest of the body may still come."""
    text = "The request body did not arrive in time."
    return ApiError(408, text, code="request_timeout", headers={"connection": "close"})


def too_large(limit: int) -> ApiError:
    """Return a 413 that ends the connection, for the rest of the body is not read."""
    text = f"The request body is larger than {limit} bytes."
    return ApiError(413, text, code="request_too_large", headers={"connection": "close"})


def overloaded(message: str, code: str) -> ApiError:
    """Return a 503 that invites the client to come back."""
    return ApiError(503, message, "overloaded_error", code, headers={"retry-after": "1", "x-should-retry": "true"})


def of_status(status: int, headers: Mapping[str, str] | None) -> ApiError:
    """Return the error for what the routing itself refuses: 404 and 405."""
    message, code = {
        404: ("There is no such route.", "not_found"),
        405: ("This route does not take this method.", "method_not_allowed"),
    }.get(status, ("The request cannot be served.", None))
    return ApiError(status, message, code=code, headers=headers or {})


def of(failure: Exception, request_id: str) -> ApiError:
    """Return `failure` itself if it is for the client; what was not foreseen is logged and not told."""
    if isinstance(failure, ApiError):
        return failure
    _log.error("request %s failed", request_id, exc_info=failure)
    text = f"An internal error occurred. Please report request id {request_id}."
    return ApiError(500, text, "server_error", "internal_error")
