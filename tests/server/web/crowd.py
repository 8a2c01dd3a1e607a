"""Workers that serve a small application: `python -m tests.server.web.crowd WORKERS DRAIN STOP HOW`, on any port.

`/pid` tells who answers; `/wait` waits until it is cut short, or for the seconds of its query; `/die` ends its worker.
HOW is how starting goes: `well`, or only `once`, or it is `refused`, or the worker has `died`.
"""

import asyncio
import os
import socket
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import uvicorn

from server.web.process import Server
from server.web.readiness import Readiness
from server.web.workers import Workers

STARTED = "STARTED"
"""Variable that names a file with a byte for each worker that has started."""


def application(readiness: Readiness) -> Any:
    async def app(scope: Any, _receive: Any, send: Any) -> None:
        cut = False
        if scope["path"] == "/die":
            os._exit(9)
        if scope["path"] == "/wait":
            cut = await _waited(readiness, float(scope["query_string"]))
        body = orjson.dumps({"pid": os.getpid(), "cut": cut})
        headers = [(b"content-length", str(len(body)).encode()), (b"connection", b"close")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return app


async def _waited(readiness: Readiness, seconds: float) -> bool:
    event = asyncio.Event()
    forget = readiness.register(event.set)
    tell("waits", os.getpid())
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    finally:
        forget()
    return True


def work(drain: float, stop: float | None, how: str, shared: socket.socket, announce: Callable[[str], None]) -> None:
    if how == "refused":
        raise ValueError("this makes no sense")
    with Path(os.environ[STARTED]).open("ab") as started:
        started.write(b"x")
        number = started.tell()
    if how == "died" or (how == "once" and number == 2):
        os._exit(7)
    readiness = Readiness()
    config = uvicorn.Config(application(readiness), log_level="critical", lifespan="off", timeout_graceful_shutdown=30)
    Server(config, readiness, drain, announce, stop).run(sockets=[shared])


def tell(what: str, about: object) -> None:
    sys.stdout.write(f"{what} {about}\n")
    sys.stdout.flush()


def main(number: str, drain: str, stop: str, how: str) -> None:
    task = partial(work, float(drain), float(stop) if stop != "never" else None, how)
    with socket.create_server(("127.0.0.1", 0)) as shared:
        try:
            Workers(task, int(number), shared, partial(tell, "listens"), partial(tell, "buried")).run()
        except ValueError as fault:
            tell("refused", fault)


if __name__ == "__main__":
    main(*sys.argv[1:])
