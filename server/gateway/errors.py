"""What goes wrong in a search, as errors for the client; those of any request are in server/web/errors.py.

400 invalid_request_error   the question is too long, or the model's backend refuses it
502 server_error            the model did not answer
503 overloaded_error        its servers are full, or not there yet; or this one has too much to do, or stops
504 timeout_error           the deadline came before any answer
"""

from router.answering import NoAnswer
from router.ports import GeneratorError, ProblemTooLong
from server.report import Outcome
from server.web import errors
from server.web.errors import ApiError, invalid, overloaded

BUDGET_HEADER = "X-Compute-Budget"

_OUTCOMES = {
    401: Outcome.REFUSED,
    403: Outcome.REFUSED,
    429: Outcome.REFUSED,
    500: Outcome.INTERNAL,
    502: Outcome.GENERATOR,
    503: Outcome.OVERLOADED,
    504: Outcome.DEADLINE,
}


def outcome_of(error: ApiError) -> Outcome:
    """Return how a request ended that was told `error`."""
    return _OUTCOMES.get(error.status, Outcome.INVALID)


def unsupported(param: str, message: str | None = None) -> ApiError:
    """Return a 400 for a feature that this server does not have."""
    text = message or f"'{param}' is not supported by this server."
    return ApiError(400, text, code="unsupported_parameter", param=param)


def of(failure: Exception, request_id: str) -> ApiError:
    """Return what to tell the client about `failure`; what was not foreseen is logged and not told."""
    match failure:
        case ProblemTooLong():
            return invalid(f"{str(failure).capitalize()}.", "messages", "context_length_exceeded")
        case NoAnswer():
            return _no_answer(failure)
        case GeneratorError():
            return _no_generator()
        case _:
            return errors.of(failure, request_id)


def _no_answer(failure: NoAnswer) -> ApiError:
    if failure.reason == "generator":
        return _no_generator()
    if failure.reason == "busy":
        return overloaded("The model's servers are full, or not there yet.", "backend_overloaded")
    if failure.reason == "shutdown":
        return overloaded("The server stops; another will answer.", "stopping")
    if failure.reason == "refused":
        return invalid(f"The model's backend refuses the request: {failure}", code="backend_refused")
    return ApiError(
        504,
        "The deadline came before a single token.",
        "timeout_error",
        "deadline_exceeded",
        headers={"x-should-retry": "false"},  # a retry would spend the same again, and end the same
    )


def _no_generator() -> ApiError:
    return ApiError(502, "The model did not answer.", "server_error", "generator_failed")
