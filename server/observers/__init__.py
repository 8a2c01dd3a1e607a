"""What watches requests: metrics and logs. Observers know reports, not the gateway that writes them."""

from .logs import Log
from .metrics import Metrics

__all__ = ["Log", "Metrics"]
