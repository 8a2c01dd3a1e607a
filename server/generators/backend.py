"""The servers of one pool and the way they are spoken to."""

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import Any

import orjson

from router.ports import GeneratorError
from server.upstream import Absence, Busy, NoReplica, Pool, Refused, Replica, Stalled, Unreachable, UpstreamError

from .dialects.dialect import Ask, Dialect

_ASKING_SECONDS = 30.0
"""The longest that rendering and counting a prompt may take, its retries included."""


class Backend:
    """A pool, its dialect, and what has been learned about it."""

    def __init__(self, pool: Pool, dialect: Dialect) -> None:
        self.pool, self.dialect = pool, dialect
        self.single = False
        """Whether its servers ignore `n`, or refuse it: then every sample needs a call of its own."""

    def asker(self, key: bytes, deadline: float | None = None) -> Ask:
        """Return how to put small questions about the prompt that `key` stands for. They may be tried again."""
        latest = asyncio.get_running_loop().time() + _ASKING_SECONDS
        return partial(self._ask, key, deadline, latest if deadline is None else min(deadline, latest))

    async def _ask(self, key: bytes, deadline: float | None, until: float, path: str, body: Mapping[str, Any]) -> Any:
        asked, tries = set[Replica](), 0
        while True:
            tries += 1
            try:
                with self.pool.lease(key, 1, asked) as replica:
                    asked.add(replica)
                    return _parsed(await self.pool.post(replica, path, encoded(body), deadline=until))
            except TimeoutError as late:
                if until == deadline:
                    raise
                raise Stalled(f"no answer to {path} in {_ASKING_SECONDS:g} s") from late
            except UpstreamError as failure:
                if isinstance(failure, Refused) or not await self.pool.patience(failure, until, tries):
                    raise


def encoded(body: Any) -> bytes:
    """Write JSON. Raises Refused for what it cannot hold, such as a client's integers of more than 64 bits."""
    try:
        return orjson.dumps(body)
    except orjson.JSONEncodeError as error:
        raise Refused(400, f"the request cannot be written as JSON: {error}") from error


def _parsed(reply: bytes) -> Any:
    try:
        return orjson.loads(reply)
    except orjson.JSONDecodeError as error:
        raise Unreachable("the server's reply is no JSON") from error


def failed(failure: UpstreamError) -> GeneratorError:
    """Return what the failure of a call means to the router."""
    return GeneratorError(
        str(failure),
        refusal=isinstance(failure, Refused),
        busy=isinstance(failure, Busy) or (isinstance(failure, NoReplica) and failure.reason is Absence.BUSY),
    )
