"""Real vLLM, on the CPU: `make test-vllm`. Without COGITATE_VLLM, the command to run, there is nothing here."""

from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest

from .process import VLLM, Server, start

collect_ignore_glob = [] if VLLM.is_file() else ["test_*.py"]

WEIGHTS = Path(__file__).parents[2] / "server" / "embedded" / "weights"
_SERVERS = pytest.StashKey[list[Server]]()
_GENERATOR = ("--max-model-len=512", "--enable-prompt-tokens-details", "--enable-request-id-headers")

Serve = Callable[..., Server]


@pytest.fixture(scope="session")
def serve(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    """Make a server, not started yet: serve(name, model, *flags). It is stopped with the session at the latest."""
    if not VLLM.is_file():
        pytest.skip("no vLLM here: make test-vllm")
    servers = pytestconfig.stash.setdefault(_SERVERS, [])
    folder = tmp_path_factory.mktemp("vllm")

    def made(name: str, model: Path, *flags: str) -> Server:
        servers.append(Server(name, model, flags, folder))
        return servers[-1]

    yield made
    for server in servers:
        server.stop()


@pytest.fixture(scope="session")
def generators(serve: Serve) -> list[Server]:
    """Two replicas of the embedded generator. Who breaks one repairs it: `restart`."""
    servers = [serve(f"generator-{i}", WEIGHTS / "generator", *_GENERATOR) for i in (0, 1)]
    start(servers)
    return servers


@pytest.fixture(scope="session")
def generator_urls(generators: list[Server]) -> list[str]:
    """Where the generator's replicas are."""
    return [server.url for server in generators]


@pytest.fixture(scope="session")
def verifier(serve: Serve) -> Server:
    """The embedded verifier: a language model, for the log-probabilities of prompts."""
    server = serve("verifier", WEIGHTS / "verifier", *_GENERATOR)
    start([server])
    return server


@pytest.fixture(scope="session")
def verifier_url(verifier: Server) -> str:
    """Where the verifier is."""
    return verifier.url


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show what the servers that run said, where a test fails."""
    report = yield
    if report.failed:
        for server in item.config.stash.get(_SERVERS, []):
            if server.running:
                report.sections.append((f"log of {server.name}", server.tail()))
    return report
