"""Two evaluations of the same problems, row by row: other backends of the same weights should give the same figures.

    cogitate eval --problems 250 --timed 0 --json embedded.json
    COGITATE_GENERATORS=... COGITATE_SCORERS=... cogitate eval --problems 250 --timed 0 --json vllm.json
    python -m server.bench.compare embedded.records.jsonl vllm.records.jsonl

With `--row router@64 --other greedy@1` one row of the first is held against another one of the second.

Differences are paired over problems, with 95 % bootstrap intervals. The two draw different random numbers, so that rows
differ by chance; a row whose interval does not hold 0 is marked.
"""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from router.evaluation.metrics import paired_difference, proportion
from router.evaluation.sweep import Journal

_COMPARED = ("problems", "seed", "split")


def _read(path: Path) -> tuple[dict[str, object], Journal]:
    with path.open() as file:
        heading: dict[str, object] = json.loads(file.readline())
    return heading, Journal(path, heading, lambda: None)


def main(
    first: Annotated[Path, typer.Argument(help="Records of one evaluation.", exists=True, dir_okay=False)],
    second: Annotated[Path, typer.Argument(help="Records of the other.", exists=True, dir_okay=False)],
    row: Annotated[str | None, typer.Option(help="Only this row of the first.")] = None,
    other_row: Annotated[str | None, typer.Option("--other", help="This row of the second beside it.")] = None,
) -> None:
    """Print accuracies and mean tokens of both, and the difference second - first."""
    (heading, one), (other_heading, other) = _read(first), _read(second)
    if any(heading[name] != other_heading[name] for name in _COMPARED):
        raise typer.BadParameter("the two are not of the same problems")
    table = Table(title=f"{heading['problems']} problems, split {heading['split']}, seed {heading['seed']}")
    for column in ("row", first.stem, second.stem, "difference, points", "tokens", "tokens"):
        table.add_column(column, justify="left" if column == "row" else "right", no_wrap=True)
    for name in [row] if row else dict.fromkeys(record.arm for record in one.records):
        pair = one.of(name), other.of(other_row or name)
        if not pair[1]:
            continue
        a, b = ([record.correct for record in records] for records in pair)
        d = paired_difference(b, a)
        marked = "" if d.low <= 0 <= d.high else " *"
        shares = (proportion(sum(x), len(x)) for x in (a, b))
        table.add_row(
            name,
            *(f"{100 * s.mean:.1f} [{100 * s.low:.1f}, {100 * s.high:.1f}]" for s in shares),
            f"{100 * d.mean:+.1f} [{100 * d.low:+.1f}, {100 * d.high:+.1f}]{marked}",
            *(f"{sum(r.tokens for r in records) / len(records):.0f}" for records in pair),
        )
    Console(width=120).print(table)


if __name__ == "__main__":
    typer.run(main)
