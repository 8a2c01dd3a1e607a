"""`cogitate calibrate`: solutions to many questions through the live models, and a policy fitted to them."""

import asyncio
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from rich.console import Console

from router.calibration.pools import Heading, PoolFile
from router.difficulty.prompt import FEATURES
from router.evaluation.sweep import Models
from router.policy.names import TREES
from router.ports import GeneratorError
from server.embedded import fingerprint
from server.gateway import Model
from server.grading import Grader
from server.settings import Backend, Settings
from server.wiring import opened

from .drawing import Shape
from .filling import fill
from .fitting import fit_and_write
from .harvest import Harvest, joined, say
from .progress import Questionnaire
from .questions import Manner, Questions, of_family, of_file

_INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class Order:
    """The options of the command."""

    out: Path
    file: Path | None = None
    form: str | None = None
    problems: int | None = None
    levels: str = "1,2,3,4,5"
    pools: tuple[Path, ...] = ()
    samples: int = 64
    searches: str | None = None
    limit: int | None = None
    longest: int | None = None
    system: str | None = None
    seed: int = 0
    concurrency: int = 16
    guided: bool = False

    @property
    def recorded(self) -> Path:
        """Where the pools are written."""
        return self.out.with_suffix(".pools.jsonl")


def calibrate(order: Order) -> int:
    """Draw what is missing, fit, write the policy and print what was found; return the exit status."""
    console = Console(stderr=True)
    try:
        _check(order)
        harvest = joined(order.pools, console) if order.pools else asyncio.run(_drawn(order, console))
        fit_and_write(harvest, order.out, order.seed, console, guided=order.guided)
    except KeyboardInterrupt:
        say(console, "Interrupted.", *_kept(order))
        return _INTERRUPTED
    except (ValueError, OSError, GeneratorError, ImportError) as fault:
        say(console, str(fault), *_kept(order))
        return 2
    return 0


def _check(order: Order) -> None:
    if find_spec("sklearn") is None:  # told now, not after hours of drawing
        raise ImportError("fitting needs scikit-learn: pip install 'cogitate[calibrate]'")
    if sum(bool(given) for given in (order.file, order.problems, order.pools)) != 1:
        raise ValueError(
            "name a file of questions, or give --problems N for the embedded family, or --pools FILE for what was "
            "recorded before: one of the three"
        )
    if order.out.is_dir() or not order.out.absolute().parent.is_dir():
        raise ValueError(f"--out {order.out}: that is a folder, or in a folder that is not there")
    if order.file and order.file.resolve() in (order.out.resolve(), order.recorded.resolve()):
        raise ValueError(f"--out {order.out} would overwrite the questions")


async def _drawn(order: Order, console: Console) -> Harvest:
    """Ask every question that has no pool yet. The questions are read first: that costs nothing when they are wrong."""
    shape = Shape(order.samples, _searches(order.searches), order.seed)
    settings = _unguided(Settings())
    backend = next(iter(settings.backends.values()))
    manner = Manner(order.seed, order.limit, order.system, order.longest)
    async with AsyncExitStack() as stack:
        questions = await _questions(order, manner, stack)
        _introduce(questions, console)
        model = await stack.enter_async_context(opened(settings))
        if shape.searches and model.scorer is None:
            raise ValueError("--searches: tree searches need a scorer, and these models have none")
        heading = _heading(order, shape, questions, model, backend, settings)
        with PoolFile(order.recorded, heading) as file:
            skipped = await _filled(file, questions, model, shape, order.concurrency, console)
            _tell_skipped(skipped, console)
            asked = {a.item for a in questions.asked}
            return Harvest(heading, [p for p in file.pools if p.item in asked], len(asked))


async def _filled(
    file: PoolFile, questions: Questions, model: Model, shape: Shape, concurrency: int, console: Console
) -> Counter[str]:
    asked, models = questions.asked, Models(model.generator, model.scorer)
    with Questionnaire(console, len(asked), sum(file.has(a.item) for a in asked)) as shown:
        skipped = await fill(file, asked, models, shape, concurrency, shown.one_more)
    file.end(len(asked))
    return skipped


async def _questions(order: Order, manner: Manner, stack: AsyncExitStack) -> Questions:
    if order.file is None:
        return of_family(order.problems or 0, _levels(order.levels), manner)
    grader = await stack.enter_async_context(Grader())
    return of_file(order.file, order.form, grader, manner)


def _unguided(settings: Settings) -> Settings:
    """Return the settings without policy files: the one that is to be made may be named there and not exist."""
    models = tuple(m.model_copy(update={"policy": None}) for m in settings.models)
    return settings.model_copy(update={"policy": None, "models": models})


def _heading(
    order: Order, shape: Shape, questions: Questions, model: Model, backend: Backend, settings: Settings
) -> Heading:
    return Heading(
        generator=backend.served or model.generator.name,
        scorer=model.scorer.name if model.scorer else None,
        fingerprint=None if backend.generators else fingerprint(settings.weights),
        ratio=model.scorer.ratio if model.scorer else 0.0,
        source=questions.source,
        digest=questions.digest,
        seed=shape.seed,
        samples=shape.samples,
        searches=tuple(f"{name}@{n}" for name, n in shape.searches),
        system=order.system or backend.system,
        limit=order.longest,
        features=FEATURES,
    )


def _searches(text: str | None) -> tuple[tuple[str, int], ...]:
    """Read `beam_search@16,dvts@16`. Raises ValueError."""
    parts = [part.strip() for part in (text or "").split(",") if part.strip()]
    runs = [part.partition("@") for part in parts]
    for part, (name, _, n) in zip(parts, runs, strict=True):
        if name not in TREES or not n.isdecimal() or int(n) < 1:
            raise ValueError(f"--searches: '{part}' is no tree search: {' or '.join(TREES)} and a number, dvts@16")
    return tuple(dict.fromkeys((name, int(n)) for name, _, n in runs))


def _levels(text: str) -> tuple[int, ...]:
    """Read `3,4,5`. Raises ValueError."""
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() for part in parts):
        raise ValueError(f"--levels: '{text}' is no list of levels, as in 3,4,5")
    return tuple(dict.fromkeys(map(int, parts)))


def _introduce(questions: Questions, console: Console) -> None:
    if questions.repeated:
        say(console, f"{questions.repeated} questions are there more than once, and are asked once.")
    if unanswered := len(questions.asked) - questions.answered:
        say(
            console,
            f"{unanswered} of {len(questions.asked)} questions have no answer: for these the answer with the most "
            "weight among all solutions stands in. What the models agree on and is wrong counts as right there.",
        )


def _tell_skipped(skipped: Counter[str], console: Console) -> None:
    if skipped:
        say(console, f"{skipped.total()} questions were skipped; the same command asks them again:")
        say(console, *(f"  {count} x {reason}" for reason, count in skipped.most_common(5)))


def _kept(order: Order) -> list[str]:
    if order.pools or order.out.is_dir() or not order.recorded.is_file():
        return []
    return [f"What was drawn is kept in {order.recorded}: the same command goes on from there."]
