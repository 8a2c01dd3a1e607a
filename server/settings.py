"""What an operator sets. Nothing else reads the environment."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Each field is read from the environment under its name with the prefix, as in `COGITATE_PORT=8080`."""

    model_config = SettingsConfigDict(env_prefix="COGITATE_", frozen=True, extra="forbid")

    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    """0 takes any free port."""
    model: str = Field(default="cogitate-embedded", min_length=1, max_length=200)
    """The id under which clients ask for the model."""
    weights: Path | None = None
    """Folder with the checkpoints of the embedded models; None takes those that are shipped."""
    default_budget: str = "auto"
    """For requests that say nothing: a preset or a dictionary, as in the header."""
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
