"""The HTTP side: OpenAI's wire in front of the router."""

from server.web.readiness import Readiness

from .app import create_app
from .deps import Calibration, Condition, Deps, Exposition, Limits, Model
from .health import prove

__all__ = ["Calibration", "Condition", "Deps", "Exposition", "Limits", "Model", "Readiness", "create_app", "prove"]
