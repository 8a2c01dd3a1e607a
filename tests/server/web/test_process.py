"""What the processes' own tests do not reach: they start, drain and stop whole servers."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from importlib import metadata

import pytest

from server.web.app import empty_app
from server.web.process import Server, config_of, version
from server.web.readiness import Readiness


async def test_a_server_that_does_not_start_announces_nothing() -> None:
    @asynccontextmanager
    async def running() -> AsyncGenerator[None]:
        raise RuntimeError
        yield

    told: list[str] = []
    config = config_of(empty_app("App", "0", running), "127.0.0.1", 0, "critical", longest=1.0)
    server = Server(config, Readiness(), 0.0, told.append)
    with suppress(SystemExit):  # in some versions of uvicorn
        await server.serve()
    assert (server.started, told) == (False, [])


def test_a_source_tree_that_was_not_installed_has_a_version_too(monkeypatch: pytest.MonkeyPatch) -> None:
    assert version() == metadata.version("cogitate")

    def missing(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", missing)
    assert version() == "0"
