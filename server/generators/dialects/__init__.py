"""The ways in which servers want to be asked for completions."""

from .chat import Chat
from .detect import detect
from .dialect import UNKNOWN_CONTEXT, Ask, Dialect, Order, Prompt
from .llamacpp import LlamaCpp
from .vllm import VLLM

__all__ = ["UNKNOWN_CONTEXT", "VLLM", "Ask", "Chat", "Dialect", "LlamaCpp", "Order", "Prompt", "detect"]
