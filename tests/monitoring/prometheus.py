"""A real Prometheus on rules and a configuration whose time runs faster, and what it is asked."""

import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
import yaml

from tests.chaos.processes import free_port

from .definitions import PROMETHEUS, hurried, seconds

BINARY = shutil.which("prometheus")
PROMTOOL = shutil.which("promtool")

TIMES = 20
"""How many times faster than in deploy/prometheus time runs: windows of 5 minutes are 15 seconds."""

_PAUSE = 0.05

Series = dict[str, Any]
"""A series of an answer: its labels as `metric`, and `value` or `values`."""


class Prometheus:
    """One process, which scrapes `targets` (by job) and evaluates every rule each second."""

    def __init__(self, folder: Path, targets: Mapping[str, Sequence[str]]) -> None:
        self._folder, self._targets, self._port = folder, targets, free_port()
        self._running: subprocess.Popen[bytes] | None = None
        self._http = httpx.Client(base_url=f"http://127.0.0.1:{self._port}", timeout=20, trust_env=False)

    def start(self) -> None:
        """Write its files, start it, and wait until it is ready. Raises RuntimeError."""
        assert BINARY
        self._write()
        with (self._folder / "prometheus.log").open("wb") as log:
            self._running = subprocess.Popen(
                (
                    BINARY,
                    f"--config.file={self._folder / 'prometheus.yml'}",
                    f"--storage.tsdb.path={self._folder / 'data'}",
                    f"--web.listen-address=127.0.0.1:{self._port}",
                    "--log.level=warn",
                ),
                stdout=log,
                stderr=log,
            )
        for _ in range(int(20 / _PAUSE)):
            if self._ready():
                return
            time.sleep(_PAUSE)
        raise RuntimeError((self._folder / "prometheus.log").read_text()[-2000:])

    def close(self) -> None:
        """End it."""
        self._http.close()
        if self._running:
            self._running.terminate()
            self._running.wait(20)

    def now(self, query: str, at: float | None = None) -> list[Series]:
        """Return what a query gives now, or at a Unix time."""
        params = {"query": query} | ({"time": str(at)} if at else {})
        return self._ask("query", params)["result"]

    def over(self, query: str, begin: float, end: float, step: float = 1.0) -> list[Series]:
        """Return what a query gave at each `step` seconds between two Unix times."""
        return self._ask("query_range", {"query": query, "start": begin, "end": end, "step": step})["result"]

    def rules(self) -> list[dict[str, Any]]:
        """Return all rules with their state and health."""
        return [rule for group in self._ask("rules")["groups"] for rule in group["rules"]]

    def names(self) -> frozenset[str]:
        """Return the names of all metrics there have been."""
        return frozenset(self._ask("label/__name__/values"))

    def values(self, label: str, select: str) -> list[str]:
        """Return the values of a label in the series that a selector chooses."""
        return self._ask(f"label/{label}/values", {"match[]": select})

    def targets(self) -> list[dict[str, Any]]:
        """Return what it scrapes, with its health."""
        return self._ask("targets")["activeTargets"]

    def firing(self) -> set[str]:
        """Return the names of the alerts that fire now."""
        return {series["metric"]["alertname"] for series in self.now('ALERTS{alertstate="firing"}')}

    def _ask(self, path: str, params: Mapping[str, Any] | None = None) -> Any:
        reply = self._http.get(f"/api/v1/{path}", params=params)
        assert reply.json()["status"] == "success", (path, params, reply.text)
        return reply.json()["data"]

    def _ready(self) -> bool:
        try:
            return self._http.get("/-/ready").status_code == 200
        except httpx.HTTPError:
            return False

    def _write(self) -> None:
        config = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())
        config["global"] = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
        for job in config["scrape_configs"]:
            del job["dns_sd_configs"]
            job["static_configs"] = [{"targets": list(self._targets[job["job_name"]])}]
        (self._folder / "prometheus.yml").write_text(yaml.safe_dump(config))
        (self._folder / "rules").mkdir()
        for path in (PROMETHEUS / "rules").glob("*.yml"):
            (self._folder / "rules" / path.name).write_text(yaml.safe_dump(_hurried(yaml.safe_load(path.read_text()))))


def _hurried(file: dict[str, Any]) -> dict[str, Any]:
    """Return a file of rules whose windows and patience are as much shorter as time is faster."""
    for rule in (rule for group in file["groups"] for rule in group["rules"]):
        rule["expr"] = hurried(rule["expr"], TIMES)
        if "for" in rule:
            rule["for"] = f"{seconds(rule['for']) // TIMES}s"
    return file
