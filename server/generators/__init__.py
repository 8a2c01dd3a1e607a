"""Generators behind HTTP: a pool of OpenAI-compatible servers as one `router.ports.Generator`."""

from .dialects import VLLM, Chat, Dialect, LlamaCpp
from .generator import PoolGenerator
from .options import GeneratorOptions

__all__ = ["VLLM", "Chat", "Dialect", "GeneratorOptions", "LlamaCpp", "PoolGenerator"]
