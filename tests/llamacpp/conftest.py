"""llama.cpp's own server with our checkpoint, once for all tests here: `make test-vllm`."""

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from server.embedded import Embedded, load
from tests.contract.conftest import Backend, client, generator, vllm

from .process import PYTHON, serving

# Without COGITATE_LLAMACPP, the Python that has it, there is nothing here.
collect_ignore_glob = [] if PYTHON.is_file() else ["test_*.py"]

__all__ = ["client", "generator", "vllm"]  # the contract's fixtures, of the backend below


@pytest.fixture(scope="session")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The server's address. It has eight slots."""
    with serving(tmp_path_factory.mktemp("llamacpp"), slots=8) as url:
        yield url


@pytest.fixture
def backend(address: str) -> Backend:
    return Backend("llamacpp", address)


@pytest_asyncio.fixture
async def models() -> AsyncIterator[Embedded]:
    bundle = load()
    bundle.start()
    yield bundle
    await bundle.aclose()
