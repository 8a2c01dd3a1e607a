"""Replicas of an HTTP backend: who there is, who is well, whom to ask, and how a call to one fails."""

from .errors import Absence, Busy, Failed, NoReplica, Refused, Stalled, Unreachable, UpstreamError
from .faults import meaning
from .http import Call, post, stream
from .options import PoolOptions
from .pool import Pool
from .replica import Replica, Standing
from .watcher import Watcher

__all__ = [
    "Absence",
    "Busy",
    "Call",
    "Failed",
    "NoReplica",
    "Pool",
    "PoolOptions",
    "Refused",
    "Replica",
    "Stalled",
    "Standing",
    "Unreachable",
    "UpstreamError",
    "Watcher",
    "meaning",
    "post",
    "stream",
]
