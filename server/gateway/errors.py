"""Errors in OpenAI's shape. Whatever goes wrong becomes an ApiError, and only its message reaches the client.

ApiError          what the client is told
  400 invalid_request_error   the request cannot be served as it is
  404 invalid_request_error   no such model, no such route
  408 invalid_request_error   the body did not come
  413 invalid_request_error   the body is too large
  502 server_error            the model did not answer
  503 overloaded_error        not now
  504 timeout_error           the deadline came before any answer
  500 server_error            a fault of ours
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.responses import Response

from router.answering import NoAnswer
from router.ports import GeneratorError, ProblemTooLong
from server.report import Outcome

from .wire import json_response

_log = logging.getLogger(__name__)

BUDGET_HEADER = "X-Compute-Budget"


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
    outcome: Outcome = Outcome.INVALID
    headers: Mapping[str, str] = field(default_factory=_no_headers)

    def __str__(self) -> str:
        return self.message

    def body(self) -> dict[str, Any]:
        """Return the error object."""
        error = {"message": self.message, "type": self.type, "param": self.param, "code": self.code}
        return {"error": error}

    def response(self) -> Response:
        """Return the error as a reply."""
        return json_response(self.body(), self.status, self.headers)


def invalid(message: str, param: str | None = None, code: str | None = None) -> ApiError:
    """Return a 400."""
    return ApiError(400, message, code=code, param=param)


def unsupported(param: str, message: str | None = None) -> ApiError:
    """Return a 400 for a feature that this server does not have."""
    text = message or f"'{param}' is not supported by this server."
    return ApiError(400, text, code="unsupported_parameter", param=param)


def model_not_found(model: str, served: str) -> ApiError:
    """Return a 404 for an unknown model."""
    text = f"The model '{model[:80]}' does not exist; this server has '{served}'."
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
    headers = {"retry-after": "1", "x-should-retry": "true"}
    return ApiError(503, message, "overloaded_error", code, outcome=Outcome.OVERLOADED, headers=headers)


def of_status(status: int, headers: Mapping[str, str] | None) -> ApiError:
    """Return the error for what the routing itself refuses: 404 and 405."""
    message, code = {
        404: ("There is no such route.", "not_found"),
        405: ("This route does not take this method.", "method_not_allowed"),
    }.get(status, ("The request cannot be served.", None))
    return ApiError(status, message, code=code, headers=headers or {})


def of(failure: Exception, request_id: str) -> ApiError:
    """Return what to tell the client about `failure`; what was not foreseen is logged and not told."""
    match failure:
        case ApiError():
            return failure
        case ProblemTooLong():
            return invalid(f"{str(failure).capitalize()}.", "messages", "context_length_exceeded")
        case NoAnswer():
            return _no_answer(failure)
        case GeneratorError():
            return _no_generator()
        case _:
            _log.error("request %s failed", request_id, exc_info=failure)
            text = f"An internal error occurred. Please report request id {request_id}."
            return ApiError(500, text, "server_error", "internal_error", outcome=Outcome.INTERNAL)


def _no_answer(failure: NoAnswer) -> ApiError:
    if failure.reason == "generator":
        return _no_generator()
    return ApiError(
        504,
        "The deadline came before a single token.",
        "timeout_error",
        "deadline_exceeded",
        outcome=Outcome.DEADLINE,
        headers={"x-should-retry": "false"},  # a retry would spend the same again, and end the same
    )


def _no_generator() -> ApiError:
    return ApiError(502, "The model did not answer.", "server_error", "generator_failed", outcome=Outcome.GENERATOR)
