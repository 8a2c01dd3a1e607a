"""What the tests of this folder need of the machine, and the one run that the live tests look at."""

import asyncio
import os
from collections.abc import Generator

import pytest

from .prometheus import BINARY, PROMTOOL
from .stage import Stage, staged


@pytest.fixture(scope="session")
def promtool() -> str:
    """Where promtool is."""
    return _needed("promtool", PROMTOOL)


@pytest.fixture(scope="package")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Generator[Stage]:
    """A gateway after its load and its faults, and the Prometheus that has watched it."""
    _needed("prometheus", BINARY)
    with staged(tmp_path_factory.mktemp("stage")) as stage:
        asyncio.run(stage.play())
        yield stage


def _needed(name: str, path: str | None) -> str:
    """Return the path of a program. Without it the test is skipped, or fails where everything has to be there."""
    if path is None and os.environ.get("COGITATE_OPERATIONS") == "1":
        pytest.fail(f"{name} is not installed: tools/install-system.sh")
    if path is None:
        pytest.skip(f"{name} is not installed (Debian's package prometheus)")
    return path
