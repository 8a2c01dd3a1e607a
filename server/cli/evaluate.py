"""`cogitate eval`: what each strategy and the router are worth on held-out problems, with all costs counted."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from router.evaluation.recording import RecordedGenerator, RecordedScorer, Tape
from router.evaluation.sweep import Arm, Item, Journal, Models, sweep, time
from router.ports import GeneratorError
from server.embedded import fingerprint
from server.embedded.scoring import BATCH_TOKENS
from server.gateway import Model
from server.settings import Settings
from server.wiring import opened

from .arms import DEFAULT, arms_of, rating, rules_from
from .results import Results, Study, Times, summarise
from .sources import Source, Wanted, opened_source
from .tables import tables

_WIDTH = 132


@dataclass(frozen=True, slots=True)
class Order:
    """The options of the command. `tape` is the beginning of the paths of the tapes, None: they lie beside `json`."""

    wanted: Wanted
    seeds: str
    json: Path | None
    arms: str | None
    timed: int
    concurrency: int
    policy: Path | None
    price: float | None
    reference: str
    tape: Path | None


@dataclass(frozen=True, slots=True)
class _Job:
    """What is to be run: the same for every seed."""

    order: Order
    arms: Sequence[Arm]
    rating: Arm | None
    source: Source
    settings: Settings
    progress: Progress

    @property
    def runs(self) -> list[Arm]:
        """All arms, the one behind the oracle included."""
        return [*self.arms, *([self.rating] if self.rating else [])]


def evaluate(order: Order) -> int:
    """Run, print the tables, write the JSON and the plot; return the exit status."""
    errors = Console(stderr=True)
    try:
        with _progress(errors) as progress:
            results = asyncio.run(_run(order, progress))
    except (ValueError, OSError, ImportError, GeneratorError) as fault:
        errors.print(str(fault), markup=False)
        return 2
    shown = Console(width=max(Console().width, _WIDTH))
    for table in tables(results):
        shown.print(table)
    if order.json is not None:
        order.json.write_text(json.dumps(results.as_json(), indent=1) + "\n")
        _plot(results, order.json.with_suffix(".png"), errors)
    return 0


async def _run(order: Order, progress: Progress) -> Results:
    settings, seeds = Settings(), _seeds(order.seeds)
    rules = rules_from(order.policy, settings.price if order.price is None else order.price)
    arms = arms_of(order.arms or DEFAULT, rules)
    async with opened_source(order.wanted) as source:
        job = _Job(order, arms, rating(arms), source, settings, progress)
        journals, ratio = await _swept(job, seeds)
        times = await _timed(job, seeds[0])
    names = ", ".join(str(v) for v in _identity(settings).values())
    study = Study(
        source=source.title,
        models=names,
        policy=rules.digest,
        seeds=seeds,
        crossed=source.crossed,
        ratio=ratio,
        arms=arms,
        rating=job.rating,
        journals=journals,
        times=times,
        reference=order.reference,
    )
    return await asyncio.to_thread(summarise, study)


def _seeds(text: str) -> tuple[int, ...]:
    try:
        seeds = tuple(int(part) for part in text.split(","))
    except ValueError:
        raise ValueError(f"'{text}' are no seeds: whole numbers, separated by commas") from None
    if len(set(seeds)) < len(seeds):
        raise ValueError("a seed is named twice")
    return seeds


async def _swept(job: _Job, seeds: Sequence[int]) -> tuple[list[Journal], float]:
    """Run every arm under every seed, on one tape and with one journal a seed."""
    journals = list[Journal]()
    async with opened(job.settings) as model:
        ratio = model.scorer.ratio if model.scorer else 0.0
        for seed in seeds:
            items, heading = job.source.items(seed), {**job.source.heading, "seed": seed, **_identity(job.settings)}
            tape = Tape(_beside(job.order.tape or job.order.json, seed, "tape"), heading)
            bar = job.progress.add_task(f"answering, seed {seed}", total=len(job.runs) * len(items))
            full = {**heading, "models": _names(model), "ratio": ratio}
            journal = Journal(_beside(job.order.json, seed, "records"), full, partial(job.progress.advance, bar))
            had = sum(journal.has(a.name, i, a.provenance) for a in job.runs for i in range(len(items)))
            job.progress.advance(bar, had)
            models, ways = partial(_recorded, model, tape, job.settings), job.order.concurrency
            for arm in job.runs:
                await sweep(arm, items, models, journal, seed=seed, concurrency=ways)
            journals.append(journal)
    return journals, ratio


def _beside(path: Path | None, seed: int, what: str) -> Path | None:
    return None if path is None else path.with_name(f"{path.name.removesuffix('.json')}{seed}.{what}.jsonl")


def _recorded(model: Model, tape: Tape, settings: Settings) -> Models:
    _, backend = next(iter(settings.backends.items()))
    batch = 0 if backend.generators else BATCH_TOKENS
    scorer = RecordedScorer(model.scorer, tape, batch) if model.scorer else None
    return Models(RecordedGenerator(model.generator, tape), scorer)


def _names(model: Model) -> dict[str, str | None]:
    return {"generator": model.generator.name, "scorer": model.scorer.name if model.scorer else None}


def _identity(settings: Settings) -> Mapping[str, object]:
    """Return what the answers depend on: records of one model must not be continued with another."""
    name, backend = next(iter(settings.backends.items()))
    if not backend.generators:
        return {"weights": fingerprint(settings.weights)}
    return {"model": name, "generators": list(backend.generators), "scorers": list(backend.scorers)}


async def _timed(job: _Job, seed: int) -> Times:
    """Take the time of a few problems of each level, one at a time, with nothing replayed."""
    items = job.source.items(seed)
    few = [place for level in dict.fromkeys(i.level for i in items) for place in _of(items, level)[: job.order.timed]]
    bar = job.progress.add_task("timing", total=len(job.arms) * len(few))
    seconds = dict[str, list[float]]()
    for arm in job.arms if few else ():
        # Opened anew for each: embedded caches know nothing then of what another row has computed.
        async with opened(job.settings) as model:
            models, timed = Models(model.generator, model.scorer), [(place, items[place]) for place in few]
            seconds[arm.name] = await time(arm, timed, models, seed, partial(job.progress.advance, bar))
    return Times(few, seconds)


def _of(items: Sequence[Item], level: int | None) -> list[int]:
    return [place for place, item in enumerate(items) if item.level == level]


def _progress(console: Console) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console)


def _plot(results: Results, path: Path, console: Console) -> None:
    try:
        from .plot import plot
    except ImportError:
        console.print("No plot: matplotlib is not installed (pip install 'cogitate[plots]').", markup=False)
    else:
        plot(results, path)
