"""What an operator says about one pool of generators."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class GeneratorOptions:
    """How the servers of one pool are spoken to.

    `model` is the id they serve it under (None: the first one they list), `system` a message put in front where
    the client sends none. `context` is the model's context in tokens where the servers do not tell it. `prefill`
    says that a chat endpoint continues a last assistant message. `dialect` is "auto", "vllm", "llamacpp" or "chat".
    At most `samples_per_call` samples share one call: see server/bench/fanout.py for what that saves.
    """

    model: str | None = None
    system: str | None = None
    context: int | None = None
    prefill: bool = False
    dialect: str = "auto"
    samples_per_call: int = 64

    def __post_init__(self) -> None:
        if self.dialect not in ("auto", "vllm", "llamacpp", "chat"):
            raise ValueError(f"dialect must be auto, vllm, llamacpp or chat, not {self.dialect!r}")
        if self.samples_per_call < 1 or (self.context is not None and self.context < 2):
            raise ValueError("samples_per_call must be at least 1, and context at least 2")
