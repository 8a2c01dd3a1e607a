"""What watches requests: metrics, logs, decisions, traces. Observers know reports, not the gateway that writes them."""

from .decisions import Decisions
from .logs import Log
from .metrics import Metrics, PoolCounts
from .traces import Tracing, Untraced, otlp

__all__ = ["Decisions", "Log", "Metrics", "PoolCounts", "Tracing", "Untraced", "otlp"]
