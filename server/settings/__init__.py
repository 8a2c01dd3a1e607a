"""What an operator sets, by environment or file."""

from .backend import Backend, ServedModel
from .gateway import CONFIG, EMBEDDED, Settings
from .prm import PrmSettings

__all__ = ["CONFIG", "EMBEDDED", "Backend", "PrmSettings", "ServedModel", "Settings"]
