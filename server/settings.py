"""What an operator sets. Nothing else reads the environment."""

import os
import re
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from server.upstream.addresses import Address

CONFIG = "COGITATE_CONFIG"
"""Environment variable that names a TOML file with the same fields."""

EMBEDDED = "cogitate-embedded"
"""The id of the embedded model, where it has no other."""

_NAMELESS = "default"
"""The id of a model on generators, where nobody gives it one."""


def _split(value: object) -> object:
    """Take a list as it is written in an environment variable: with commas."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _address(value: str) -> str:
    if re.fullmatch(r"(dns\+)?https?://[^\s/?#@]+(/[^\s?#]*)?", value):
        Address.parse(value)
        return value
    raise ValueError("an address looks like http://host:8000 or dns+http://name:8000; a key goes into api_key")


Source = Annotated[str, AfterValidator(_address)]
"""`http://host:8000`, or `dns+http://name:8000` for every address behind a name."""

Sources = Annotated[tuple[Source, ...], NoDecode, BeforeValidator(_split)]


def _stripped(value: object) -> object:
    """Take what is empty for not set, as in `KEY=${KEY:-}`, and a key without the line end of its file."""
    return (value.strip() or None) if isinstance(value, str) else value


def _sendable(key: SecretStr | None) -> SecretStr | None:
    if key is None or re.fullmatch(r"[\x21-\x7e]+", key.get_secret_value()):
        return key
    raise ValueError("a key has printable ASCII characters only, and no spaces")


Text = Annotated[str | None, BeforeValidator(_stripped)]

File = Annotated[Path | None, BeforeValidator(_stripped)]

Key = Annotated[SecretStr | None, BeforeValidator(_stripped), AfterValidator(_sendable)]

ModelId = Annotated[str, StringConstraints(min_length=1, max_length=200)]


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
        _check_placed(self)
        return self


def _set(backend: Backend) -> list[str]:
    fields = Backend.model_fields
    return [name for name in fields if getattr(backend, name) != fields[name].get_default()]


def _check_placed(backend: Backend) -> None:
    """Raise ValueError for a setting that nothing would read: it is the sign of a mistake elsewhere."""
    if not backend.generators and (idle := [name for name in _set(backend) if name != "policy"]):
        own = ": the embedded model has its own" if idle[0] == "scorers" else ", and the embedded model takes none"
        raise ValueError(f"'{idle[0]}' without 'generators'{own}")


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
    """Requests that may search at the same time; further ones are refused with 503."""
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
            _check_placed(self)
        elif named := _set(self):
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


class PrmSettings(BaseSettings):
    """What the scoring service is told, each field as in `COGITATE_PRM_FAMILY=qwen`. Raises ValidationError."""

    model_config = SettingsConfigDict(
        env_prefix="COGITATE_PRM_",
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,  # there may be a key in it
    )

    family: str = Field(min_length=1, max_length=100)
    """The kind of reward model: how its text is laid out and where it is read."""
    model: str = Field(min_length=1, max_length=1000)
    """A folder with the checkpoint, or its id on the Hugging Face hub."""
    name: ModelId | None = None
    """The id under which clients ask for the model; None takes `model`."""
    host: Literal["transformers", "vllm"] = "transformers"
    """What runs the model: transformers in this process, or vLLM at `backend`."""
    backend: Source | None = None
    api_key: Key = None
    """Sent to the backend as a bearer token."""
    reference: str | None = Field(default=None, min_length=1)
    """The reference model of the family `log-ratio`: a folder or an id in process, the URL of its server with vLLM."""
    calibration: Path | None = None
    """The calibration of the family `implicit`; None takes the one in the model's folder, where there is one."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    device: str = "auto"
    """Where torch runs the model: `cpu`, `cuda`, `cuda:1`; `auto` takes a GPU where there is one."""
    threads: int | None = Field(default=None, ge=1, le=1024)
    """Processor threads of torch; None leaves that to it."""
    context: int = Field(default=16_384, ge=1)
    """The most tokens of a candidate with its problem, in process; it can only lower the model's own bound."""
    cache_tokens: int | None = Field(default=None, ge=0)
    """Tokens of scored prefixes that are remembered, in process; 0 remembers nothing.

    None takes half of the GPU's memory that the model leaves free; on a CPU 32,768 tokens.
    """
    max_batch_items: int = Field(default=32, ge=1, le=4096)
    max_batch_tokens: int = Field(default=16_384, ge=1)
    """The most tokens of a batch, its passages padded to the longest."""
    max_wait_ms: float = Field(default=5.0, ge=0, le=10_000)
    """How long a passage waits for others to share a batch with."""
    max_queue_tokens: int = Field(default=1_048_576, ge=1)
    """Tokens that may wait; what comes then is refused with 503."""
    max_read_seconds: float = Field(default=120.0, gt=0, le=3600)
    """How long the model may take over a batch."""
    listen_host: str = "127.0.0.1"
    listen_port: int = Field(default=8001, ge=0, le=65535)
    """0 takes any free port."""
    drain_seconds: float = Field(default=0.0, ge=0, le=3600)
    """How long, after a signal to stop, requests are still taken while `/ready` already says no."""
    log_level: str = Field(default="info", pattern="^(debug|info|warning|error|critical)$")

    @property
    def served(self) -> str:
        """The model's id for clients; of a folder its name, for where it lies is nobody's business."""
        return self.name or (Path(self.model).resolve().name if Path(self.model).is_dir() else self.model)

    @model_validator(mode="after")
    def _placed(self) -> Self:
        if self.host == "vllm" and not self.backend:
            raise ValueError("host 'vllm' needs 'backend', where it is served")
        if self.host != "vllm" and self.backend:
            raise ValueError("'backend' without host 'vllm': the model runs in this process")
        if self.api_key and not self.backend:
            raise ValueError("'api_key' without 'backend', which it is for")
        if self.host == "vllm" and self.reference:
            _address(self.reference)
        return self
