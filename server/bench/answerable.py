"""Which requests ask for one short answer: fit the weights of the free estimate, and measure it on what it never saw.

    python -m server.bench.answerable                       # measure the shipped weights
    python -m server.bench.answerable --fit                 # fit them anew from the prompts beside this file
    python -m server.bench.answerable --also gsm8k.jsonl --errors

Fitted to the prompts in prompts/train.txt and to the training split of the embedded problems; measured on
prompts/heldout.txt, on the calibration split, and on files of questions that all have an answer.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from router.difficulty.prompt import WEIGHTS_FILE, answerable, signs
from router.difficulty.signs import SIGNS
from router.evaluation import datasets
from router.evaluation.metrics import proportion
from router.types import Message, Problem
from server.embedded.problems import splits

_PROMPTS = Path(__file__).with_name("prompts")
_FAMILY_PER_LEVEL = 60
_FAMILY_WEIGHT = 0.25
"""What one problem of the family counts for: its six forms must not outvote what people write."""
_FOLDS = 10
_PENALTIES = (0.1, 0.3, 1.0, 3.0, 10.0)
_Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Labelled:
    """A request and whether it has one short final answer."""

    text: str
    answer: bool
    weight: float = 1.0

    @property
    def problem(self) -> Problem:
        """The request as the router gets it."""
        return Problem((Message("user", self.text),))


def read(path: Path) -> list[Labelled]:
    """Read lines of `+ request` and `- request`; others are remarks."""
    lines = [line for line in path.read_text().splitlines() if line[:2] in ("+ ", "- ")]
    return [Labelled(line[2:].replace("\\n", "\n"), line[0] == "+") for line in lines]


def family(split: splits.Split, per_level: int) -> list[Labelled]:
    """Draw problems of the embedded family, which all have an answer."""
    return [Labelled(p.question, answer=True, weight=_FAMILY_WEIGHT) for p in splits.draw(split, per_level, seed=0)]


def fit(examples: Sequence[Labelled]) -> dict[str, object]:
    """Fit the weights, with the penalty that predicts held-back tenths best, and return what the file holds."""
    x = np.array([(1.0, *signs(e.problem)) for e in examples])
    y, weight = np.array([float(e.answer) for e in examples]), np.array([e.weight for e in examples])
    losses = {penalty: _held_back_loss(x, y, weight, penalty) for penalty in _PENALTIES}
    penalty = min(losses, key=losses.__getitem__)
    bias, *weights = (round(float(b), 3) for b in _logistic(x, y, weight, penalty))
    text = "\n".join(f"{e.answer} {e.text}" for e in examples)
    return {
        "bias": bias,
        "weights": dict(zip(SIGNS, weights, strict=True)),
        "fitted": {
            "requests": len(examples),
            "answerable": int(y.sum()),
            "digest": blake2b(text.encode(), digest_size=8).hexdigest(),
            "penalty": penalty,
            "held_back_log_loss": {str(p): round(loss, 4) for p, loss in losses.items()},
        },
    }


def _held_back_loss(x: _Floats, y: _Floats, weight: _Floats, penalty: float) -> float:
    fold = np.random.default_rng(0).permutation(len(y)) % _FOLDS
    losses = np.empty(len(y))
    for k in range(_FOLDS):
        out = fold == k
        score = x[out] @ _logistic(x[~out], y[~out], weight[~out], penalty)
        losses[out] = np.logaddexp(0.0, np.where(y[out] > 0, -score, score))
    return float(np.average(losses, weights=weight))


def _logistic(x: _Floats, y: _Floats, weight: _Floats, penalty: float) -> _Floats:
    """Logistic regression by Newton's method; the penalty is on the squares of all but the first coefficient."""
    beta, ridge = np.zeros(x.shape[1]), np.diag([1e-6] + [penalty] * (x.shape[1] - 1))
    for _ in range(50):
        p = 1.0 / (1.0 + np.exp(-(x @ beta)))
        gradient = x.T @ (weight * (y - p)) - ridge @ beta
        step = np.linalg.solve(x.T @ (x * (weight * p * (1.0 - p))[:, None]) + ridge, gradient)
        beta = beta + step
        if float(np.abs(step).max()) < 1e-9:
            break
    return beta


def area(answered: Sequence[float], other: Sequence[float]) -> float:
    """Return the area under the ROC curve: how often a request with an answer ranks above one without."""
    pairs = np.subtract.outer(np.asarray(answered), np.asarray(other))
    return float(((pairs > 0) + 0.5 * (pairs == 0)).mean())


def _row(table: Table, name: str, examples: Sequence[Labelled], threshold: float) -> list[tuple[float, Labelled]]:
    """Add one source to the table; return what was taken for the other thing."""
    judged = [(answerable(e.problem), e) for e in examples]
    cells = list[str]()
    for kind in (True, False):
        right = [(p > threshold) == e.answer for p, e in judged if e.answer is kind]
        share = proportion(sum(right), len(right)) if right else None
        cells.append(f"{sum(right)}/{len(right)} {share.mean:.3f} [{share.low:.3f}, {share.high:.3f}]" if share else "")
    yes, no = ([p for p, e in judged if e.answer is kind] for kind in (True, False))
    table.add_row(name, *cells, f"{area(yes, no):.4f}" if yes and no else "")
    return [(p, e) for p, e in judged if (p > threshold) != e.answer]


def main(
    refit: Annotated[bool, typer.Option("--fit", help="Fit the weights and write them before measuring.")] = False,
    also: Annotated[list[Path] | None, typer.Option(help="Questions that all have an answer.")] = None,
    labelled: Annotated[list[Path] | None, typer.Option(help="More requests, in the form of heldout.txt.")] = None,
    threshold: Annotated[float, typer.Option(help="From where on a request is searched for.")] = 0.5,
    errors: Annotated[bool, typer.Option("--errors", help="Show what was taken for the other thing.")] = False,
) -> None:
    """Measure, and with --fit make, the weights of router/difficulty/answerable.json."""
    if refit:
        fitted = fit([*read(_PROMPTS / "train.txt"), *family("train", _FAMILY_PER_LEVEL)])
        WEIGHTS_FILE.write_text(json.dumps(fitted, indent=1) + "\n")
    sources = {
        "fitted to": read(_PROMPTS / "train.txt"),
        "held out": read(_PROMPTS / "heldout.txt"),
        "embedded, calibration": family("calibration", 200),
        **{str(p): [Labelled(q.text, answer=True) for q in datasets.read(p)] for p in also or ()},
        **{str(p): read(p) for p in labelled or ()},
    }
    table, wrong = (
        Table("source", "answerable, found", "others, found", "AUC"),
        dict[str, list[tuple[float, Labelled]]](),
    )
    for name, examples in sources.items():
        wrong[name] = _row(table, name, examples, threshold)
    console = Console(width=130)
    console.print(table)
    for name, mistakes in wrong.items() if errors else ():
        for p, e in mistakes:
            console.print(f"{name}: {p:.2f} {'+' if e.answer else '-'} {e.text[:160]!r}", markup=False)


if __name__ == "__main__":
    typer.run(main)
