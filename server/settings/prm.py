"""What the scoring service is told."""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from .fields import Key, ModelId, Source, check_address


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
            check_address(self.reference)
        return self
