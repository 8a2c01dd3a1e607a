"""`cogitate eval`: what each strategy is worth on held-out problems, with all costs counted."""

import asyncio
import json
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import get_args

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from router.evaluation.recording import RecordedGenerator, RecordedScorer
from router.evaluation.sweep import Arm, Item, Journal, Models, sweep, time
from router.policy.default import DefaultPolicy
from router.policy.fixed import FixedPolicy
from router.policy.names import STRATEGIES
from router.ports import GeneratorError, Scores
from router.types import Message, Problem, Sample
from server.embedded import fingerprint
from server.embedded.problems import checker, family, splits
from server.gateway import Model
from server.settings import Settings
from server.wiring import opened

from .results import Results, summarise, table

_LEVELS = 5
_ALL = "greedy@1," + ",".join(f"{s}@{n}" for n in (4, 16, 64) for s in STRATEGIES if s != "greedy")
_ROUTER = "router"
_WIDTH = 124


@dataclass(frozen=True, slots=True)
class Order:
    """The options of the command."""

    problems: int
    seed: int
    json: Path | None
    arms: str | None
    split: str
    timed: int
    concurrency: int


def evaluate(order: Order) -> int:
    """Run, print the table, write the JSON and the plot; return the exit status."""
    errors = Console(stderr=True)
    try:
        arms = [_arm(name.strip()) for name in (order.arms or _ALL).split(",")]
        items = _items(order)
        with _progress(errors) as progress:
            results = asyncio.run(_run(order, arms, items, Settings(), progress))
    except (ValueError, OSError, GeneratorError) as fault:
        errors.print(str(fault), markup=False)
        return 2
    Console(width=max(Console().width, _WIDTH)).print(table(results))
    if order.json is not None:
        order.json.write_text(json.dumps(results.as_json(), indent=1) + "\n")
        _plot(results, order.json.with_suffix(".png"), errors)
    return 0


def _arm(name: str) -> Arm:
    """Read `dvts@16`; `router@16` lets the default policy choose. Raises ValueError."""
    strategy, _, n = name.partition("@")
    if not n.isdecimal() or int(n) < 1 or strategy not in (*STRATEGIES, _ROUTER):
        raise ValueError(f"'{name}' is no row: name a strategy and a number of samples, e.g. dvts@16")
    policy = DefaultPolicy() if strategy == _ROUTER else FixedPolicy(strategy, int(n))
    return Arm(strategy, int(n), policy)


def _items(order: Order) -> list[Item]:
    if order.split not in get_args(splits.Split):
        raise ValueError(f"'{order.split}' is no split: one of {', '.join(get_args(splits.Split))}")
    problems = splits.draw(order.split, order.problems // _LEVELS, order.seed)  # pyright: ignore[reportArgumentType]
    return [_item(p) for p in problems]


def _item(problem: family.Problem) -> Item:
    question = Problem((Message("user", problem.question),))
    return Item(question, problem.level, partial(_correct, problem))


def _correct(problem: family.Problem, answer: str | None) -> bool:
    return answer is not None and checker.is_correct(problem, answer)


async def _run(
    order: Order, arms: Sequence[Arm], items: Sequence[Item], settings: Settings, progress: Progress
) -> Results:
    journal, ratio = await _swept(order, arms, items, settings, progress)
    seconds = await _timed(order, arms, items, settings, progress)
    return summarise(order.split, order.seed, items, arms, journal, seconds, ratio)


async def _swept(
    order: Order, arms: Sequence[Arm], items: Sequence[Item], settings: Settings, progress: Progress
) -> tuple[Journal, float]:
    heading: dict[str, object] = {"problems": len(items), "seed": order.seed, "split": order.split}
    heading |= _identity(settings)
    path = None if order.json is None else order.json.with_suffix(".records.jsonl")
    bar = progress.add_task("answering", total=len(arms) * len(items))
    journal = Journal(path, heading, lambda: progress.advance(bar))
    progress.advance(bar, sum(journal.has(a.name, i) for a in arms for i in range(len(items))))
    samples, scores, ratio = dict[Hashable, Sample](), dict[Hashable, Scores](), 0.0
    for arm in arms:
        # Opened anew for each: embedded caches know nothing then of what another row has computed.
        async with opened(settings) as model:
            ratio = model.scorer.ratio if model.scorer else 0.0
            await sweep(
                arm, items, _recorded(model, samples, scores), journal, seed=order.seed, concurrency=order.concurrency
            )
    return journal, ratio


def _recorded(model: Model, samples: dict[Hashable, Sample], scores: dict[Hashable, Scores]) -> Models:
    scorer = RecordedScorer(model.scorer, scores) if model.scorer else None
    return Models(RecordedGenerator(model.generator, samples), scorer)


def _identity(settings: Settings) -> dict[str, object]:
    """Return what the answers depend on: records of one model must not be continued with another."""
    name, backend = next(iter(settings.backends.items()))
    if not backend.generators:
        return {"weights": fingerprint(settings.weights)}
    return {"model": name, "generators": list(backend.generators), "scorers": list(backend.scorers)}


async def _timed(
    order: Order, arms: Sequence[Arm], items: Sequence[Item], settings: Settings, progress: Progress
) -> dict[str, list[float]]:
    """Take the time of a few problems of each level, one at a time, with nothing replayed."""
    levels = sorted({i.level for i in items})
    few = [i for level in levels for i in [x for x in items if x.level == level][: order.timed]]
    bar = progress.add_task("timing", total=len(arms) * len(few))
    seconds = dict[str, list[float]]()
    for arm in arms:
        async with opened(settings) as model:
            models = Models(model.generator, model.scorer)
            seconds[arm.name] = await time(arm, few, models, order.seed, lambda: progress.advance(bar))
    return seconds


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
