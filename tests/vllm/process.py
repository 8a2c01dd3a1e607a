"""vLLM servers as processes, from an environment of their own (tools/install-vllm.sh)."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from pathlib import Path

VLLM = Path(os.environ.get("COGITATE_VLLM", "")).absolute()
"""The command; `make test-vllm` names it."""

_CACHE = VLLM.parent.parent / "cache"
"""What it finds out about its model classes, which takes a process and seconds."""

_SUPERVISOR = Path(__file__).with_name("supervise.py")
_AT_A_TIME = 2  # servers that start; their imports want a core each
_READY_SECONDS = 300.0
_FLAGS = (
    "--host=127.0.0.1",
    "--enforce-eager",
    "--no-enable-chunked-prefill",  # on a CPU the engine dies of a seeded request whose prompt comes in chunks
    "--disable-uvicorn-access-log",
    "--dtype=float32",
    "--block-size=32",
    "--kv-cache-memory-bytes=64M",
)
_ENVIRONMENT = {
    "VLLM_TARGET_DEVICE": "cpu",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",  # else it takes a core for itself
    "OMP_NUM_THREADS": "1",
    "TORCHDYNAMO_DISABLE": "1",  # else it compiles C++ for 20 s at the first log-probability
    "VLLM_NO_USAGE_STATS": "1",
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
}


class NotServing(Exception):
    """A server ended before it was ready, or was not ready in time."""


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


@dataclass(eq=False)
class Server:
    """One vLLM server of `model`, a folder whose name the model has. It keeps its address when it is started again."""

    name: str
    model: Path
    flags: tuple[str, ...]
    folder: Path
    port: int = field(default_factory=_free_port)
    _process: subprocess.Popen[bytes] | None = None
    _group: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        """What it wrote, over all its lives."""
        return self.folder / f"{self.name}.log"

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def launch(self) -> None:
        """Start it, and do not wait for it."""
        command = [VLLM, "serve", self.model, f"--port={self.port}", f"--served-model-name={self.model.name}"]
        environment = os.environ | _ENVIRONMENT | {"TMPDIR": str(self.folder), "VLLM_CACHE_ROOT": str(_CACHE)}
        environment.pop("VLLM_CPU_KVCACHE_SPACE", None)  # whole gigabytes, and it would win over the flag
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, _SUPERVISOR, *command, *_FLAGS, *self.flags],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=environment,
                start_new_session=True,  # what ends the tests (Ctrl-C, a time limit) is not to end it first
            )
        assert self._process.stdout
        self._group = int(self._process.stdout.readline())

    def ready(self) -> bool:
        """Whether it answers. Raises NotServing if it has ended."""
        if not self.running:
            raise NotServing(f"{self.name} has ended:\n{self.tail()}")
        with closing(HTTPConnection("127.0.0.1", self.port, timeout=5.0)) as connection:
            try:
                connection.request("GET", "/health")
                return connection.getresponse().status == HTTPStatus.OK
            except (OSError, HTTPException):
                return False

    def kill(self) -> None:
        """End it with no chance to say goodbye."""
        self._signal(signal.SIGKILL)
        self.stop()

    def freeze(self) -> None:
        """Let it hang: its connections stay open, and nothing comes."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a frozen one go on."""
        self._signal(signal.SIGCONT)

    def restart(self) -> None:
        """Start it again at its address, and wait until it answers."""
        self.stop()
        start([self])

    def stop(self) -> None:
        """End it, if it runs."""
        process, self._process = self._process, None
        if process:
            assert process.stdin
            assert process.stdout
            process.stdin.close()  # what the supervisor waits for
            process.wait(60)
            process.stdout.close()

    def tail(self) -> str:
        """Return the last it wrote."""
        return self.log.read_text(errors="replace")[-4000:] if self.log.exists() else ""

    def _signal(self, number: int) -> None:
        if self.running:
            os.killpg(self._group, number)


def start(servers: Iterable[Server]) -> None:
    """Start servers, a few at a time, and wait until all answer. Those that run already are waited for only."""
    waiting, starting = deque(servers), dict[Server, float]()
    while waiting or starting:
        while waiting and len(starting) < _AT_A_TIME:
            server = waiting.popleft()
            starting[server] = time.monotonic() + _READY_SECONDS
            if not server.running:
                server.launch()
        starting = {server: until for server, until in starting.items() if not server.ready()}
        for server, until in starting.items():
            if time.monotonic() > until:
                raise NotServing(f"{server.name} does not come up:\n{server.tail()}")
        time.sleep(0.5 if starting else 0.0)
