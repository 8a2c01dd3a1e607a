"""From pools to a policy file, and what is told about it."""

from collections.abc import Iterator
from datetime import UTC, datetime
from importlib import metadata
from itertools import pairwise
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table as Shown

from router.calibration.fit import fit
from router.policy.file import Models, PolicyFile, write
from router.policy.table import Cell, Option, State, Table

from .harvest import Harvest, say
from .validation import validation

PRICE = 0.002
"""Accuracy per sample-equivalent at which the best options are shown: the default of `auto`."""

_WIDTH = 124


def fit_and_write(harvest: Harvest, out: Path, seed: int, console: Console, *, guided: bool = False) -> None:
    """Fit a policy, write it to `out`, and print what was found. Raises NotEnough and OSError."""
    pools = sorted(harvest.pools, key=lambda p: p.item)  # not in the order of arrival: the same pools, the same fit
    say(console, f"Fitting to {len(pools)} questions.")
    fitted = fit(pools, ratio=harvest.heading.ratio, seed=seed, guided=guided)
    heading = harvest.heading
    policy = PolicyFile(
        made=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        models=Models(heading.generator, heading.scorer, heading.fingerprint),
        data={**provenance(harvest), "guided": guided},
        table=fitted.table,
        validation=fitted.validation,
    )
    write(policy, out)
    screen = Console(width=max(Console().width, _WIDTH))
    screen.print(findings(fitted.table))
    screen.print(validation(fitted.validation, fitted.table.unit))
    say(screen, *summary(harvest, out))


def provenance(harvest: Harvest) -> dict[str, Any]:
    """Return what a policy was fitted to, as its file says it."""
    heading, usable = harvest.heading, len(harvest.pools)
    return {
        "source": heading.source,
        "digest": heading.digest,
        "asked": harvest.asked,
        "problems": usable,
        "skipped": None if harvest.asked is None else harvest.asked - usable,
        "samples": heading.samples,
        "searches": list(heading.searches),
        "undecided": harvest.undecided,
        "truth": "agreement" if harvest.agreed else "answers",
        "agreed": harvest.agreed,
        "seed": heading.seed,
        "scorer_ratio": heading.ratio,
        "system": heading.system is not None,
        "max_tokens": heading.limit,
        "software": f"cogitate {metadata.version('cogitate')}",
    }


def summary(harvest: Harvest, out: Path) -> Iterator[str]:
    """Yield the lines that close a run."""
    if harvest.agreed:
        yield (
            f"Truth: for {harvest.agreed} of {len(harvest.pools)} questions nobody knew the answer, and what the "
            "models agree on stood in. Accuracies above are agreement with that, not with the truth."
        )
    if harvest.undecided:
        yield f"{harvest.undecided} solutions have an answer that nobody could compare; they count as wrong."
    if harvest.heading.fingerprint is None:
        yield f"The policy is in {out}. Serve with it: COGITATE_POLICY={out}"
    else:
        yield f"The policy is in {out}. The embedded models plan by it with COGITATE_POLICY={out}"


def findings(table: Table, price: float = PRICE) -> Shown:
    """Return for each state and difficulty what to do next at this price."""
    found = Shown(
        title=f"What to do next at a price of {100 * price:g} points of accuracy per solution",
        caption="right now: the accuracy of stopping; gain: in points over that, with its 95 % interval; compute: in "
        f"solutions (one is {table.unit:.0f} tokens); worth: what it gains in the end, less the price",
    )
    for name in ("solutions", "problems", "pass rate", "right now", "next", "gain", "compute", "worth"):
        found.add_column(name, justify="left" if name in ("solutions", "next") else "right", no_wrap=True)
    for state in sorted(table.states, key=lambda s: (s.judged, s.samples)):
        for row, following in pairwise([*_rows(table, state, price), None]):
            if row is not None:
                found.add_row(*row, end_section=following is None)
    return found


def best(table: Table, cell: Cell, price: float) -> tuple[Option, float] | None:
    """Return the option that is worth the most at this price, and its worth; None where stopping is."""
    low, high, share = table.at(price)
    worths = [(option, (1 - share) * option.worth[low] + share * option.worth[high]) for option in cell.options]
    found = max(worths, key=lambda pair: pair[1], default=None)
    return found if found and found[1] > 0 else None


def _rows(table: Table, state: State, price: float) -> Iterator[tuple[str, ...]]:
    name = f"{state.samples}{', judged' if state.judged else ''}"
    for cell in sorted(state.cells, key=lambda c: -c.pass_rate):
        found = best(table, cell, price)
        rates = f"{cell.problems}", f"{100 * cell.pass_rate:.0f} %", f"{100 * cell.accuracy:.0f} %"
        yield name, *rates, *(("stop", "", "", "") if found is None else _cells(*found))
        name = ""


def _cells(option: Option, worth: float) -> tuple[str, str, str, str]:
    gain = f"{100 * option.gain:+.1f} [{100 * option.low:+.1f}, {100 * option.high:+.1f}]"
    return f"{option.strategy} to {option.n}", gain, f"{option.compute:.1f}", f"{100 * worth:+.1f}"
