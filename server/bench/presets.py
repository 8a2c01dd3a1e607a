"""What the presets are worth through the HTTP endpoint, and whether any budget was exceeded.

    cogitate serve &
    python -m server.bench.presets --problems 500 --json presets.json

Asks a running server with the embedded models; about ten minutes on two cores.
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Annotated, Any

import httpx
import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from router.evaluation.metrics import Estimate, paired_difference, percentile, proportion
from server.embedded.problems import checker, family, splits
from server.gateway.budgets import PRESETS

_LEVELS = 5
_SHOWN = ("minimal", "low", "medium", "high", "max", "auto")


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back for one problem; `over` tells whether more was spent than the preset allows."""

    correct: bool
    over: bool
    samples: int
    tokens: int
    compute: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Row:
    """One preset. Samples, tokens and compute are means per problem; times are seconds."""

    preset: str
    accuracy: Estimate
    gains: dict[str, Estimate]
    """Over each preset before it, on the same problems."""
    exceeded: int
    samples: float
    tokens: float
    compute: float
    p50: float
    p95: float


async def measure(url: str, problems: Sequence[family.Problem], concurrency: int) -> list[Row]:
    """Ask every problem with every preset."""
    rows, before = list[Row](), dict[str, list[Reply]]()
    async with httpx.AsyncClient(base_url=url, timeout=120) as client:
        for preset in track(_SHOWN, "asking", console=Console(stderr=True)):
            slots = asyncio.Semaphore(concurrency)
            replies = await asyncio.gather(*(_ask(client, slots, preset, p) for p in problems))
            rows.append(_row(preset, replies, before))
            before[preset] = replies
    return rows


async def _ask(client: httpx.AsyncClient, slots: asyncio.Semaphore, preset: str, problem: family.Problem) -> Reply:
    body = {"messages": [{"role": "user", "content": problem.question}], "seed": 0}
    async with slots:
        start = perf_counter()
        reply = await client.post("/v1/chat/completions", json=body, headers={"X-Compute-Budget": preset})
        seconds = perf_counter() - start
    reply.raise_for_status()
    return _read(reply.json(), PRESETS[preset], problem, seconds)


def _read(reply: dict[str, Any], allowed: int, problem: family.Problem, seconds: float) -> Reply:
    compute = reply["compute"]
    return Reply(
        correct=compute["answer"] is not None and checker.is_correct(problem, compute["answer"]),
        over=compute["samples"] > allowed,
        samples=compute["samples"],
        tokens=reply["usage"]["completion_tokens"],
        compute=compute["compute_tokens"],
        seconds=seconds,
    )


def _row(preset: str, replies: Sequence[Reply], before: Mapping[str, Sequence[Reply]]) -> Row:
    n, seconds = len(replies), [r.seconds for r in replies]
    return Row(
        preset=preset,
        accuracy=proportion(sum(r.correct for r in replies), n),
        gains={
            name: paired_difference([r.correct for r in replies], [r.correct for r in earlier])
            for name, earlier in before.items()
        },
        exceeded=sum(r.over for r in replies),
        samples=sum(r.samples for r in replies) / n,
        tokens=sum(r.tokens for r in replies) / n,
        compute=sum(r.compute for r in replies) / n,
        p50=percentile(seconds, 50),
        p95=percentile(seconds, 95),
    )


def _table(rows: Sequence[Row]) -> Table:
    shown = Table(
        "preset", "accuracy", "gain over low", "over budget", "samples", "tokens", "compute", "p50 s", "p95 s"
    )
    for r in rows:
        gain = r.gains.get("low")
        shown.add_row(
            r.preset,
            f"{r.accuracy.mean:.3f} [{r.accuracy.low:.3f}, {r.accuracy.high:.3f}]",
            f"{gain.mean:+.3f} [{gain.low:+.3f}, {gain.high:+.3f}]" if gain else "",
            str(r.exceeded),
            f"{r.samples:.1f}",
            f"{r.tokens:.0f}",
            f"{r.compute:.0f}",
            f"{r.p50:.2f}",
            f"{r.p95:.2f}",
        )
    return shown


def main(
    url: Annotated[str, typer.Option(help="The server.")] = "http://127.0.0.1:8000",
    problems: Annotated[int, typer.Option(help="Over the five levels of the test split.", min=_LEVELS)] = 500,
    seed: Annotated[int, typer.Option(help="Draws the problems.")] = 1,
    concurrency: Annotated[int, typer.Option(help="Requests under way at once.", min=1)] = 8,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the rows here.")] = None,
) -> None:
    """Measure the presets of a running server with the embedded models."""
    drawn = splits.draw("test", problems // _LEVELS, seed)
    rows = asyncio.run(partial(measure, url, drawn, concurrency)())
    Console().print(_table(rows))
    if json_file is not None:
        json_file.write_text(
            json.dumps({"problems": len(drawn), "seed": seed, "rows": [asdict(r) for r in rows]}, indent=1) + "\n"
        )


if __name__ == "__main__":
    typer.run(main)
