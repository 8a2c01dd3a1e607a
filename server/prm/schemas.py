"""`POST /v1/score` on the wire: what is read of a request, what is refused, and what the reply looks like."""

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from server.web.errors import ApiError, invalid
from server.web.validation import parsed

from .limits import MOST_ITEMS, MOST_STEPS
from .ports import HostError, Item, TooLong, Unusable
from .scoring import Fault, Judged

_LOUDEST = 200
"""Characters of a fault that are repeated to the client."""


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore")


class ScoreItem(_Strict):
    """One solution. `finished` says that the last step ends the answer; `max_tokens` bounds what the model reads."""

    problem: str
    steps: Annotated[list[str], Field(fail_fast=True, min_length=1, max_length=MOST_STEPS)]
    finished: bool = True
    max_tokens: Annotated[int, Field(ge=1, lt=2**31)] | None = None

    def item(self) -> Item:
        """Return what it means to the service."""
        return Item(self.problem, tuple(self.steps), self.finished, self.max_tokens)


class ScoreRequest(_Strict):
    """Solutions to judge, each by itself."""

    items: Annotated[list[ScoreItem], Field(fail_fast=True, min_length=1, max_length=MOST_ITEMS)]
    model: str | None = None


_NAMES = {name for m in (ScoreRequest, ScoreItem) for name in m.model_fields}


def parse(body: bytes) -> ScoreRequest:
    """Return the request. Raises ApiError (400) naming the field at fault."""
    request = parsed(ScoreRequest, body, _NAMES)
    for i, item in enumerate(request.items):
        for j, step in enumerate(item.steps):
            if not step.strip():
                raise invalid("A step must not be blank.", f"items[{i}].steps[{j}]")
    return request


def reply(model: str, outcomes: Sequence[Judged | Fault]) -> dict[str, Any]:
    """Return the body of a reply: one entry per item, in order. Raises ApiError (502) when the model could read none.

    Items whose numbers are no rewards are their own fault: with a 502 they would have a sound service taken out.

    `total` is what a scorer without memory computes for an item, `computed` what was computed.
    """
    judged = [outcome for outcome in outcomes if isinstance(outcome, Judged)]
    failures = (o for o in outcomes if isinstance(o, HostError) and not isinstance(o, Unusable))
    if not judged and (lost := next(failures, None)):
        raise _failed(f"The model gave no usable rewards: {lost}.")
    usage = {"total_tokens": sum(j.total for j in judged), "computed_tokens": sum(j.computed for j in judged)}
    return {"object": "list", "model": model, "data": [_entry(*o) for o in enumerate(outcomes)], "usage": usage}


def _entry(index: int, outcome: Judged | Fault) -> dict[str, Any]:
    if isinstance(outcome, Judged):
        tokens = {"total": outcome.total, "computed": outcome.computed}
        return {"index": index, "rewards": outcome.rewards, "tokens": tokens}
    return {"index": index, "error": _fault(outcome, f"items[{index}]").object()}


def _fault(fault: Fault, param: str) -> ApiError:
    text = f"{str(fault)[:1].upper()}{str(fault)[1:_LOUDEST]}."
    match fault:
        case TooLong():
            return invalid(text, param, "context_length_exceeded")
        case HostError():
            return _failed(text, param)
        case ValueError():
            return invalid(text, param, "invalid_item")


def _failed(message: str, param: str | None = None) -> ApiError:
    """Return a 502 for a model that gave nothing usable."""
    return ApiError(502, message, "server_error", "model_failed", param)
