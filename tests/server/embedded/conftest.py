from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from server.embedded import Embedded, load
from server.embedded.checkpoint import load as load_checkpoint
from server.embedded.llama import Llama
from server.embedded.tokenizer import Tokenizer

from .checkpoints import random_tensors, write_checkpoint
from .make_golden import WEIGHTS


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Llama:
    """A random model with a context of 96; it hardly ever ends by itself."""
    return Llama(load_checkpoint(write_checkpoint(tmp_path_factory.mktemp("random"), random_tensors())))


@pytest.fixture(scope="session")
def tokenizer() -> Tokenizer:
    return Tokenizer(WEIGHTS / "generator")


@pytest_asyncio.fixture
async def embedded() -> AsyncIterator[Embedded]:
    bundle = load()
    bundle.start()
    yield bundle
    await bundle.aclose()


@pytest.fixture(scope="session")
def weights() -> Path:
    return WEIGHTS
