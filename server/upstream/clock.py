"""The time calls and pauses are measured in."""

import asyncio
from collections.abc import Callable

Clock = Callable[[], float]
"""Seconds from any fixed point on."""


def loop_time() -> float:
    """Return the running event loop's time, the one deadlines are given in."""
    return asyncio.get_running_loop().time()
