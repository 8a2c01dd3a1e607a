"""A server in a process of its own, to be stopped and killed: `python -m tests.server.upstream.hung` prints its URL."""

import asyncio

from .backends import Backend


async def _main() -> None:
    async with Backend() as backend:
        print(backend.url, flush=True)  # noqa: T201
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_main())
