"""The dashboards as code. Each is a function that returns its builder; `build.py` writes them as JSON."""

from .backends import backends
from .cost import cost
from .overview import overview
from .quality import quality

BOARDS = (overview, quality, cost, backends)

__all__ = ["BOARDS"]
