from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from .models import MAKERS


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return the folder of a family's small model, made when it is first asked for."""

    @cache
    def make(family: str) -> Path:
        return MAKERS[family](tmp_path_factory.mktemp("models") / family)

    return make
