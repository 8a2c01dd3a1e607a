"""What an operator sets for the gateway. Nothing else reads the environment."""

import os
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from .backend import Backend, ServedModel, check_placed, given
from .fields import File, Key, ModelId

CONFIG = "COGITATE_CONFIG"
"""Environment variable that names a TOML file with the same fields."""

EMBEDDED = "cogitate-embedded"
"""The id of the embedded model, where it has no other."""

_NAMELESS = "default"
"""The id of a model on generators, where nobody gives it one."""


class Settings(BaseSettings, Backend):  # pyright: ignore[reportIncompatibleVariableOverride]  # two model_config
    """Each field is read from the environment under its name with the prefix, as in `COGITATE_PORT=8080`.

    The fields of `Backend` are those of the one model; several are listed in `models`, best in the file that
    `COGITATE_CONFIG` names. The environment wins over the file. Raises ValidationError.
    """

    model_config = SettingsConfigDict(env_prefix="COGITATE_", frozen=True, extra="forbid", hide_input_in_errors=True)

    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    """0 takes any free port."""
    model: ModelId | None = None
    """The id under which clients ask for the model; None takes the one it is served under."""
    models: tuple[ServedModel, ...] = ()
    weights: Path | None = None
    """Folder with the checkpoints of the embedded models; None takes those that are shipped."""
    default_budget: str = "auto"
    """For requests that say nothing: a preset or a dictionary, as in the header."""
    price: float = Field(default=0.002, gt=0, le=1)
    """Accuracy that `auto` asks of further compute, per sample-equivalent: 0.002 is a fifth of a point."""
    max_samples: int = Field(default=256, ge=1)
    """The most samples any request gets."""
    max_deadline: float = Field(default=60.0, gt=0, le=86400)
    """Seconds after which every request is answered with what it has."""
    max_body_bytes: int = Field(default=4 * 2**20, ge=1)
    max_concurrency: int = Field(default=64, ge=1)
    """Requests that may search at the same time; further ones wait."""
    workers: int = Field(default=1, ge=1, le=64)
    """Processes that serve, each with models and connections of its own."""
    keys: File = None
    """The file of API keys (`cogitate keys`); None asks nobody for a key."""
    anonymous: bool = False
    """Whether to listen beyond this machine though nobody is asked for a key."""
    redis: Key = None
    """Where several gateways share what keys have used: `redis://:password@host:6379/0`; None: this process alone."""
    capacity: int = Field(default=512, ge=1)
    """Samples under way at the same time; near it requests get fewer of them, beyond it they wait."""
    max_queue: int = Field(default=256, ge=0)
    """Requests that may wait; further ones are refused with 503."""
    queue_seconds: float = Field(default=5.0, ge=0, le=3600)
    """How long a request waits for its turn."""
    max_header_bytes: int = Field(default=64 * 2**10, ge=1024)
    client_seconds: float = Field(default=20.0, gt=0, le=3600)
    """How long a client may take to send the head of a request, and again to send its body."""
    stop_seconds: float | None = Field(default=None, ge=0, le=86400)
    """After a signal to stop, when searches are cut short with their best so far; None: at their own deadlines."""
    traces: Literal["off", "otlp"] = "off"
    """Whether spans are sent; where to is OpenTelemetry's own setting, OTEL_EXPORTER_OTLP_ENDPOINT."""
    trace_ratio: float = Field(default=0.01, ge=0, le=1)
    """Share of requests that are traced, of those that come without a decision of their caller's."""
    log_format: Literal["text", "json"] = "text"
    log_prompts: bool = False
    """Whether questions and answers are written to decision records."""
    decisions: File = None
    """Where a record of each request's decisions is written, a line of JSON each (`cogitate replay`)."""
    drain_seconds: float = Field(default=0.0, ge=0)
    """How long, after a signal to stop, requests are still taken while `/ready` already says no."""
    log_level: str = Field(default="info", pattern="^(debug|info|warning|error|critical)$")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read the file last. Raises ValueError where it is named and not there."""
        sources = (init_settings, env_settings, file_secret_settings)
        if path := os.environ.get(CONFIG):
            if not Path(path).is_file():
                raise ValueError(f"{CONFIG} names {path}, and there is no such file")
            return (*sources, TomlConfigSettingsSource(settings_cls, toml_file=path))
        return sources

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if not self.models:
            check_placed(self)
        elif named := given(self):
            raise ValueError(f"name the {named[0]} of several models in 'models', not beside it")
        names = [m.name for m in self.models]
        if len(set(names)) < len(names):
            raise ValueError("two models have the same name")
        return self

    @property
    def backends(self) -> dict[str, Backend]:
        """What is served under which id, the first by default."""
        name = self.model or (self.served or _NAMELESS if self.generators else EMBEDDED)
        return {m.name: m for m in self.models} or {name: self}
