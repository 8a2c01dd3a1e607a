"""The HTTP side: OpenAI's wire in front of the router."""

from .app import create_app
from .deps import Deps, Exposition, Limits
from .health import Readiness, prove

__all__ = ["Deps", "Exposition", "Limits", "Readiness", "create_app", "prove"]
