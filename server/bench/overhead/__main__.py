"""The processor time of one passed-through request, as a ratio to a bare FastAPI + aiohttp proxy in the same run.

    python -m server.bench.overhead
    python -m server.bench.overhead --json overhead.json --rounds 9

Every request asks for one sample. A mock in a process of its own sends a token each few milliseconds. The gateway is
`cogitate serve` with keys, metrics, logs and traces (1 % of requests) on. Counted is the processor time of the server's
process alone; servers take turns within a round; the interval is a bootstrap over rounds.
"""

import asyncio
import json
import tempfile
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from statistics import median
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from . import bare, mock
from .load import Target, load
from .processes import await_ready, forked, gateway, new_key, processor_seconds

_RESAMPLES = 2000
_BARE = "bare proxy"


@dataclass(frozen=True, slots=True)
class Server:
    """A server under measurement: its process, and the client's way in."""

    name: str
    pid: int
    port: int
    model: str
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Figure:
    """One server and kind of request: microseconds of processor time (median of rounds), and against the bare proxy."""

    server: str
    stream: bool
    microseconds: float
    ratio: float
    low: float
    high: float
    rounds: tuple[float, ...]


def measured(
    servers: Sequence[Server], requests: int, rounds: int, concurrency: int
) -> dict[tuple[str, bool], list[float]]:
    """Return microseconds per request by server and whether streamed, one for each round."""
    taken: dict[tuple[str, bool], list[float]] = {(s.name, stream): [] for stream in (False, True) for s in servers}
    for round_ in range(rounds + 1):
        for stream in (False, True):
            for server in servers:
                target = Target(server.port, server.model, stream, server.key)
                before = processor_seconds(server.pid)
                asyncio.run(load(target, requests, concurrency, first=round_ * requests))
                spent = processor_seconds(server.pid) - before
                if round_:  # the first one warms up
                    taken[server.name, stream].append(spent / requests * 1e6)
    return taken


def figures(taken: dict[tuple[str, bool], list[float]]) -> list[Figure]:
    """Return medians, and ratios with their 95 % bootstrap intervals over rounds."""
    found = list[Figure]()
    for (server, stream), values in taken.items():
        base = taken[_BARE, stream]
        low, high = _interval(values, base)
        middle = median(values)
        found.append(
            Figure(
                server,
                stream,
                round(middle, 1),
                round(middle / median(base), 3),
                round(low, 3),
                round(high, 3),
                tuple(round(value, 1) for value in values),
            )
        )
    return found


def _interval(values: Sequence[float], base: Sequence[float]) -> tuple[float, float]:
    """Resample rounds: what is measured in one round belongs together."""
    rng, n, ratios = Random(0), len(values), list[float]()
    for _ in range(_RESAMPLES):
        picked = rng.choices(range(n), k=n)
        ratios.append(median(values[i] for i in picked) / median(base[i] for i in picked))
    ratios.sort()
    return ratios[int(0.025 * _RESAMPLES)], ratios[int(0.975 * _RESAMPLES)]


@contextmanager
def running(folder: Path, tokens: int, pace: float) -> Generator[list[Server]]:
    """Start everything, and end it."""
    with ExitStack() as stack:
        mocked, _ = stack.enter_context(forked(mock.serve, tokens, pace))
        upstream = f"http://127.0.0.1:{mocked}"
        await_ready(f"{upstream}/health")
        port, pid = stack.enter_context(forked(bare.serve, upstream))
        await_ready(f"http://127.0.0.1:{port}/docs")
        servers = [Server(_BARE, pid, port, "m")]
        key = new_key(folder / "keys.json")
        everything = {
            "COGITATE_KEYS": str(folder / "keys.json"),
            "COGITATE_TRACES": "otlp",
            "COGITATE_TRACE_RATIO": "0.01",
            "COGITATE_LOG_FORMAT": "json",
            "OTEL_EXPORTER_OTLP_ENDPOINT": upstream,
        }
        decisions = {"COGITATE_DECISIONS": str(folder / "decisions.jsonl")}
        for name, settings in (("gateway", everything), ("gateway with decision records", everything | decisions)):
            port, pid = stack.enter_context(gateway(folder, name.replace(" ", "-"), upstream, settings))
            servers += [Server(f"{name}, {model}", pid, port, model, key) for model in ("token-ids", "conversation")]
        yield servers


def main(
    requests: Annotated[int, typer.Option(help="Of each kind to each server in each round.")] = 200,
    rounds: int = 7,
    concurrency: int = 32,
    tokens: Annotated[int, typer.Option(help="Tokens of an answer.")] = 100,
    pace: Annotated[float, typer.Option(help="Seconds between two tokens of an answer.")] = 0.005,
    only: Annotated[str, typer.Option(help="Measure only servers whose name has this in it.")] = "",
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures here, too.")] = None,
) -> None:
    """Measure, and print the table."""
    with tempfile.TemporaryDirectory() as folder, running(Path(folder), tokens, pace) as servers:
        chosen = [s for s in servers if s.name == _BARE or only in s.name]
        found = figures(measured(chosen, requests, rounds, concurrency))
    table = Table(
        "server", "streamed", "us a request", "ratio", "95 %", title=f"{tokens} tokens, {concurrency} at once"
    )
    for f in found:
        stream = "yes" if f.stream else "no"
        table.add_row(f.server, stream, f"{f.microseconds:.0f}", f"{f.ratio:.2f}", f"{f.low:.2f} to {f.high:.2f}")
    Console().print(table)
    if json_file:
        head = {"requests": requests, "rounds": rounds, "concurrency": concurrency, "tokens": tokens, "pace": pace}
        json_file.write_text(json.dumps(head | {"figures": [asdict(f) for f in found]}, indent=1) + "\n")


if __name__ == "__main__":
    typer.run(main)
