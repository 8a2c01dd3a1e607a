"""The server as a process: started in its own environment, ended with the tests."""

import os
import select
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PYTHON = Path(os.environ.get("COGITATE_LLAMACPP", "")).absolute()
"""The interpreter that has it; `make test-vllm` names it."""

WEIGHTS = ROOT / "server" / "embedded" / "weights" / "generator"
_SECONDS = 60.0


class NotServing(Exception):
    """The server ended, or said nothing, before it was ready."""


@contextmanager
def serving(folder: Path, slots: int) -> Iterator[str]:
    """Convert the embedded generator into `folder`, serve it, and yield the address. Raises NotServing."""
    file, log = folder / "generator.gguf", folder / "llamacpp.log"
    subprocess.run([PYTHON, HERE / "convert.py", WEIGHTS, file], check=True, timeout=_SECONDS)
    command = [PYTHON, HERE / "serve.py", file, str(slots)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    with (
        log.open("wb") as errors,
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, env=environment
        ) as process,
    ):
        try:
            yield _address(process, log)
        finally:
            _end(process)


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    assert process.stdout
    ready, _, _ = select.select([process.stdout], [], [], _SECONDS)
    line = process.stdout.readline().decode().strip() if ready else ""
    if not line.startswith("http://"):
        raise NotServing(f"llama.cpp's server is not up: {log.read_text(errors='replace')[-2000:]}")
    return line


def _end(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin
    process.stdin.close()  # what it waits for
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
