from collections.abc import AsyncIterator

import aiohttp
import pytest

from server.upstream import PoolOptions
from server.upstream.http import connections


class Hands:
    """A clock that moves when told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Hands:
    return Hands()


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with connections(PoolOptions()) as opened:
        yield opened
