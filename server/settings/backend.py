"""Where a model runs."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from .fields import File, Key, ModelId, Sources, Text


class Backend(BaseModel):
    """Where a model runs. Without generators it is the embedded one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    generators: Sources = ()
    """Replicas of one model on OpenAI-compatible servers."""
    scorers: Sources = ()
    """Replicas of one scoring service (`cogitate prm`); without any, answers are put to a majority vote."""
    served: Text = None
    """The model's id on the generators; None takes the first they list."""
    dialect: Literal["auto", "vllm", "llamacpp", "chat"] = "auto"
    """How to speak to the generators; `auto` asks them what they are."""
    api_key: Key = None
    """Sent to the generators and scorers as a bearer token."""
    system: Text = None
    """Put in front of conversations that have no system message."""
    context: int | None = Field(default=None, ge=2)
    """Tokens of prompt and answer together, for backends that do not tell."""
    prefill: bool = False
    """Whether a chat backend continues a last message of the assistant's: what tree searches need."""
    scorer_ratio: float = Field(default=1.0, gt=0, le=1000)
    """What one scorer token costs in generator tokens: the ratio of the parameters of the two models."""
    scorer_timeout: float = Field(default=10.0, gt=0, le=600)
    """Seconds after which an answer goes without its scorer."""
    affinity: bool = True
    """Whether the samples of one question prefer one replica."""
    slots: int = Field(default=64, ge=1)
    """Samples a replica takes before those of one question spill to another."""
    stall_seconds: float = Field(default=30.0, gt=0, le=3600)
    """Silence after which a call is tried on another replica."""
    policy: File = None
    """The model's policy file (`cogitate calibrate`); None: the default policy, for the embedded model its own."""


class ServedModel(Backend):
    """One of several models."""

    name: ModelId

    @model_validator(mode="after")
    def _placed(self) -> Self:
        check_placed(self)
        return self


def given(backend: Backend) -> list[str]:
    """Return the names of the fields that are not as they are by default."""
    fields = Backend.model_fields
    return [name for name in fields if getattr(backend, name) != fields[name].get_default()]


def check_placed(backend: Backend) -> None:
    """Raise ValueError for a setting that nothing would read: it is the sign of a mistake elsewhere."""
    if not backend.generators and (idle := [name for name in given(backend) if name != "policy"]):
        own = ": the embedded model has its own" if idle[0] == "scorers" else ", and the embedded model takes none"
        raise ValueError(f"'{idle[0]}' without 'generators'{own}")
