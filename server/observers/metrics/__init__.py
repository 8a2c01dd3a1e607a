"""Prometheus metrics: a file for each family, all of them derived from the Report of a request that has ended.

`catalogue` declares metrics and bounds their labels, `exposition` writes them out, `observer` tells the families.
"""

from .catalogue import CONTENT_TYPE
from .observer import Metrics
from .replicas import PoolCounts

__all__ = ["CONTENT_TYPE", "Metrics", "PoolCounts"]
