"""The composition root: the one place that knows every class. From settings to a running server."""

from .app import build, limits_of
from .models import opened
from .process import serve

__all__ = ["build", "limits_of", "opened", "serve"]
