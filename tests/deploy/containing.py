"""The built image, run as a container engine would run it: see `contain.sh`, which does it."""

import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from .reading import ROOT

BUILD = ROOT / "tools" / "build-image.sh"
CONTAIN = Path(__file__).parent / "contain.sh"
TOOLS = ("buildah", "mmdebstrap", "unshare")
PATIENCE = 30.0
"""Seconds for what takes one or two where nothing else runs."""


def require_tools() -> None:
    """Skip without the tools, or fail where the environment says that they must be there (COGITATE_OPERATIONS=1)."""
    lacking = [tool for tool in TOOLS if not shutil.which(tool)] + (["root"] if os.geteuid() else [])
    if lacking and os.environ.get("COGITATE_OPERATIONS") == "1":
        pytest.fail(f"no {', '.join(lacking)} here: tools/install-system.sh installs what an image is built with")
    if lacking:
        pytest.skip(f"no {', '.join(lacking)} here")


def buildah(*arguments: str) -> str:
    """Run buildah where the images are; return what it says."""
    return subprocess.run([BUILD, "buildah", *arguments], check=True, capture_output=True, text=True).stdout.strip()


@dataclass(frozen=True)
class Image:
    """An image whose files lie in the folder `root`."""

    name: str
    root: Path
    config: Mapping[str, Any]

    @property
    def environment(self) -> dict[str, str]:
        """The variables it sets."""
        return dict(pair.split("=", 1) for pair in self.config["Env"])

    @property
    def size(self) -> str:
        """What all its layers hold together, with its unit."""
        return buildah("images", "--format", "{{.Size}}", "--filter", f"reference={self.name}")

    def command(self, words: list[str], variables: Mapping[str, str]) -> list[str | Path]:
        """Return the command that runs `words` in a container with the image's and these variables."""
        user = self.config["User"].partition(":")[0]
        named = [f"{name}={value}" for name, value in {**self.environment, **variables}.items()]
        apart = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--"]
        return [*apart, CONTAIN, self.root, user, *named, *words]

    def run(self, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a command in a container of its own to its end."""
        command = self.command([*words], variables)
        return subprocess.run(command, check=False, capture_output=True, text=True, timeout=PATIENCE)


@contextmanager
def built(target: str) -> Iterator[Image]:
    """Build a target of the Dockerfile and unpack it."""
    subprocess.run([BUILD, target], check=True, capture_output=True, text=True)
    name = f"localhost/cogitate-{target}"
    container = buildah("from", name)
    try:
        told = json.loads(buildah("inspect", "--type", "image", name))
        yield Image(name, Path(buildah("mount", container)), told["Docker"]["config"])
    finally:
        buildah("rm", container)


@dataclass(frozen=True)
class Running:
    """The image's own command, running: `pid` is the process's number on this machine, 1 on its own."""

    image: Image
    port: int
    process: subprocess.Popen[str]
    pid: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def status(self) -> dict[str, str]:
        """What the kernel says of the process."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}

    def healthy(self) -> bool:
        """Run the image's health check beside the process."""
        _, *words = self.image.config["Healthcheck"]["Test"]
        return self.image.run(*words, COGITATE_PORT=str(self.port)).returncode == 0

    def stop(self) -> int:
        """Send the image's signal to stop; return the exit status."""
        os.kill(self.pid, signal.Signals[self.image.config["StopSignal"]])
        return self.process.wait(PATIENCE)


@contextmanager
def running(image: Image, log: Path, **variables: str) -> Iterator[Running]:
    """Start the image's command on a free port and wait until it is ready; its output goes to `log`."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    command = image.command(image.config["Cmd"], {**variables, "COGITATE_PORT": str(port)})
    with log.open("w") as output, subprocess.Popen(command, stdout=output, stderr=output, text=True) as process:
        try:
            _await_ready(process, port, log)
            yield Running(image, port, process, _inside(process))
        finally:
            process.kill()  # and the process inside with it: unshare's --kill-child


def _inside(process: subprocess.Popen[str]) -> int:
    """Return the number, on this machine, of the first process in a container."""
    return int(Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()[0])


def _await_ready(process: subprocess.Popen[str], port: int, log: Path) -> None:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until and process.poll() is None:
        try:
            if httpx.get(f"http://127.0.0.1:{port}/ready").status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    pytest.fail(f"not ready: {log.read_text()}")
