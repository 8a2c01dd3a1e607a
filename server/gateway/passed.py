"""Fields of a request that only a model's servers read: they get the types they have everywhere."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from server.web.validation import checked

_Int = Annotated[int, Field(ge=-(2**63), lt=2**63)]
_Ids = Annotated[list[Annotated[int, Field(ge=0, lt=2**63)]], Field(fail_fast=True)]
_Number = Annotated[float, Field(allow_inf_nan=False)]


class Passed(BaseModel):
    """Types and signs only: what a server has no use for, it says itself."""

    model_config = ConfigDict(strict=True, extra="ignore")

    allowed_token_ids: _Ids | None = None
    bad_words: Annotated[list[str], Field(fail_fast=True)] | None = None
    cache_salt: str | None = None
    chat_template_kwargs: dict[str, Any] | None = None
    frequency_penalty: _Number | None = None
    ignore_eos: bool | None = None
    logit_bias: dict[str, Any] | None = None
    min_p: _Number | None = None
    min_tokens: Annotated[int, Field(ge=0, lt=2**31)] | None = None
    presence_penalty: _Number | None = None
    priority: _Int | None = None
    repetition_penalty: _Number | None = None
    stop_token_ids: _Ids | None = None
    top_k: _Int | None = None


def check(fields: Mapping[str, Any]) -> None:
    """Raise ApiError (400) naming the first field whose value cannot be meant."""
    checked(Passed, fields, Passed.model_fields.keys())
