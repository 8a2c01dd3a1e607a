"""The request body: what is read of it, what is refused, and what it means to the router."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from router import types
from server.web.errors import invalid
from server.web.validation import parsed

from . import passed
from .errors import unsupported

MOST_CHOICES = 16
MOST_MESSAGES = 2048


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore")


class Part(_Strict):
    """One part of a message's content; only text is understood."""

    type: str
    text: str | None = None


class Message(_Strict):
    """One turn. `content` is null in assistant turns that only called tools."""

    role: Literal["developer", "system", "user", "assistant", "tool"]
    content: str | Annotated[list[Part], Field(fail_fast=True)] | None = None

    def text(self) -> str:
        """Return the content as one text. Raises ApiError for parts that are not text."""
        if self.content is None or isinstance(self.content, str):
            return self.content or ""
        for part in self.content:
            if part.type != "text" or part.text is None:
                message = f"Content parts of type '{part.type[:40]}' are not supported, only 'text' is."
                raise unsupported("messages", message)
        return "\n".join(part.text or "" for part in self.content)


class StreamOptions(_Strict):
    """What a stream carries besides the answer."""

    include_usage: bool | None = None


class Reasoning(_Strict):
    """The reasoning object of OpenRouter's clients."""

    effort: str | None = None
    exclude: bool | None = None


class ChatRequest(BaseModel):
    """The fields that are read. Others are accepted; a model takes some of them, and some cannot be ignored."""

    model_config = ConfigDict(strict=True, extra="allow")

    messages: Annotated[list[Message], Field(fail_fast=True, min_length=1, max_length=MOST_MESSAGES)]
    model: str | None = None
    n: Annotated[int, Field(ge=1, le=MOST_CHOICES)] | None = None
    max_completion_tokens: Annotated[int, Field(ge=1, lt=2**31)] | None = None
    max_tokens: Annotated[int, Field(ge=1, lt=2**31)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    stop: str | Annotated[list[str], Field(fail_fast=True, max_length=4)] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    reasoning_effort: str | None = None
    reasoning: Reasoning | None = None
    compute_budget: str | None = None

    @property
    def choices(self) -> int:
        """How many answers the client wants back."""
        return self.n or 1

    @property
    def include_usage(self) -> bool:
        """Whether a stream ends with a usage chunk."""
        return bool(self.stream_options and self.stream_options.include_usage)

    @property
    def show_reasoning(self) -> bool:
        """Whether the account of the search is sent."""
        return not (self.reasoning and self.reasoning.exclude)

    def refuse_all_but(self, passes: frozenset[str]) -> None:
        """Raise ApiError for a field whose meaning would be lost, unless the model takes it, and for nonsense."""
        given = self._given()
        for name, asks_for_nothing in _ASKS_FOR_NOTHING.items():
            if name in given and name not in passes and not asks_for_nothing(given[name]):
                raise unsupported(name)
        if self.top_logprobs and not self.logprobs:
            raise invalid("'top_logprobs' needs 'logprobs' to be true.", "top_logprobs")
        if to_check := {name: given[name] for name in passes & given.keys()}:
            passed.check(to_check)

    def problem(self, passes: frozenset[str] = frozenset()) -> types.Problem:
        """Return the question for the router, with the fields that it passes on. Raises ApiError where it cannot."""
        given = self._given()
        messages = tuple(types.Message(_ROLES.get(m.role, m.role), m.text()) for m in self.messages)
        if not any(m.role == "user" for m in messages):
            raise invalid("'messages' must hold at least one message of the role 'user'.", "messages")
        return types.Problem(
            messages=messages,
            max_tokens=self.max_completion_tokens or self.max_tokens,
            temperature=self.temperature,
            top_p=1.0 if self.top_p is None else self.top_p,
            stop=self._stops(),
            extra={name: given[name] for name in sorted(passes & given.keys())},
        )

    def _given(self) -> dict[str, Any]:
        """Return the fields that stand in the request and say something, those that are not read here among them."""
        fields = {**self.__dict__, **(self.model_extra or {})}
        return {name: value for name, value in fields.items() if value is not None}

    def _stops(self) -> tuple[str, ...]:
        stops = (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ())
        if not all(stops):
            raise invalid("'stop' must not hold an empty string.", "stop")
        return stops


_ROLES = {"developer": "system"}
"""Chat templates of open models know one role of this kind."""

_ASKS_FOR_NOTHING: Mapping[str, Callable[[Any], bool]] = {
    "tools": lambda v: not v,
    "functions": lambda v: not v,
    "response_format": lambda v: v is None or v == {"type": "text"},
    "logprobs": lambda v: not v,
    "top_logprobs": lambda v: not v,
    "logit_bias": lambda v: not v,
    "modalities": lambda v: not v or v == ["text"],
    "audio": lambda v: v is None,
    "web_search_options": lambda v: v is None,
}
"""Fields that cannot be ignored without giving another answer than was asked for, unless they ask for nothing."""


_NAMES = {name for m in (ChatRequest, Message, Part, StreamOptions, Reasoning) for name in m.model_fields}


def parse(body: bytes) -> ChatRequest:
    """Return the request. Raises ApiError (400) naming the field at fault."""
    return parsed(ChatRequest, body, _NAMES)
