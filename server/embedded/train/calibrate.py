r"""Fit the map from a step's token log-probabilities to its reward, and measure how the rewards rank solutions.

What:     reward = P(this step is right | the steps before it are), a logistic function of the step's FEATURES,
          so the product of a solution's rewards estimates P(the solution is right). This is the implicit process
          reward of Yuan et al. 2024 (arXiv 2412.01981) without its reference model, which did not help here.
          The fit uses all problems of the file; the figures are cross-fitted: within each level, either half of
          the problems is judged by a fit to the other half.
Command:  python -m server.embedded.train.calibrate --samples /tmp/calibration-41.jsonl --write
Time:     one minute on one core (OPENBLAS_NUM_THREADS=1) for 800 problems with 32 samples each.
Seed:     0 for the bootstrap; the samples carry their own.
"""

import argparse
import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from router.aggregation import Aggregate, Reduce, aggregate, reduce
from router.equality import key
from router.types import Candidate, Finish
from server.embedded.tokenizer import Tokenizer
from server.embedded.train import logistic, ranking
from server.embedded.train.likelihood import log_probabilities
from server.embedded.train.logistic import Logistic
from server.embedded.train.records import Record, read
from server.embedded.train.steps import FEATURES, step_features, step_lengths

Floats = NDArray[np.float64]
REDUCTION = Reduce.PRODUCT
_VERIFIER = Path(__file__).parents[1] / "weights" / "verifier"


class Measured(NamedTuple):
    """A record with the features (steps, 3) of each of its samples."""

    record: Record
    features: list[Floats]


class Judged(NamedTuple):
    """A record with the step rewards of each of its samples."""

    record: Record
    rewards: list[tuple[float, ...]]


def measure(records: Sequence[Record], verifier: Path) -> list[Measured]:
    """Read every distinct sample with the verifier, once."""
    separator = Tokenizer(verifier).separator
    distinct = [list(dict.fromkeys(tuple(s.ids) for s in record.samples)) for record in records]
    prompts = [record.prompt for record in records]
    judged = log_probabilities(verifier, list(zip(prompts, distinct, strict=True)))
    measured = list[Measured]()
    for record, solutions, logs in zip(records, distinct, judged, strict=True):
        features = {
            ids: step_features(log, step_lengths(ids, separator)) for ids, log in zip(solutions, logs, strict=True)
        }
        measured.append(Measured(record, [features[tuple(s.ids)] for s in record.samples]))
    return measured


def labelled_steps(measured: Sequence[Measured]) -> tuple[Floats, NDArray[np.bool_]]:
    """Collect the features and labels of the samples' steps, each sample up to its first wrong step.

    A sample drawn twice counts twice: the reward is a probability over what the generator writes.
    """
    rows, labels = list[Floats](), list[bool]()
    for record, features in measured:
        for sample, steps in zip(record.samples, features, strict=True):
            if len(steps) != len(sample.labels):
                continue  # stray blank lines: what is a step is not clear there
            rows += list(steps[: _until(sample.labels)])
            labels += sample.labels[: _until(sample.labels)]
    return np.array(rows), np.array(labels, np.bool_)


def _until(labels: Sequence[bool]) -> int:
    """Count the steps up to the first wrong one, which is counted."""
    return labels.index(False) + 1 if False in labels else len(labels)


def halves(measured: Sequence[Measured]) -> tuple[list[Measured], list[Measured]]:
    """Split the problems: of each level the first half, and the second."""
    levels = defaultdict[int, list[Measured]](list)
    for one in measured:
        levels[one.record.level].append(one)
    first = [r for level in levels.values() for r in level[: len(level) // 2]]
    second = [r for level in levels.values() for r in level[len(level) // 2 :]]
    return first, second


def cross_fitted(measured: Sequence[Measured]) -> list[Judged]:
    """Judge each problem by a fit to the other half of the problems."""
    first, second = halves(measured)
    judged = list[Judged]()
    for seen, unseen in ((first, second), (second, first)):
        model = logistic.fit(*labelled_steps(seen))
        for record, features in unseen:
            rewards = [tuple(map(float, model.probability(steps))) for steps in features]
            judged.append(Judged(record, rewards))
    return judged


def within_problem_auc(judged: Sequence[Judged], how: Reduce) -> list[float]:
    """Return the AUC of each problem that has right and wrong samples, over its distinct samples."""
    every = list[float | None]()
    for record, rewards in judged:
        distinct = {tuple(s.ids): (reduce(r, how), s.right) for s, r in zip(record.samples, rewards, strict=True)}
        every.append(ranking.auc(*zip(*distinct.values(), strict=True)))
    return [value for value in every if value is not None]


def accuracy(judged: Sequence[Judged], how: Reduce, aggregation: Aggregate) -> list[float]:
    """Return, per problem, 1.0 if the router's aggregation of all its samples answers it right, else 0.0."""
    outcomes = list[float]()
    for record, rewards in judged:
        solutions = [
            Candidate(path=(i,), text=s.text, finish=Finish.EOS).judged(r, reduce(r, how))
            for i, (s, r) in enumerate(zip(record.samples, rewards, strict=True))
        ]
        chosen = aggregate(solutions, aggregation, key).chosen
        outcomes.append(float(record.samples[chosen.path[0]].right))
    return outcomes


def reliability(judged: Sequence[Judged]) -> dict[str, Any]:
    """Compare the rewards of labelled steps with how often they are right."""
    pairs = [
        (reward, right)
        for record, rewards in judged
        for s, r in zip(record.samples, rewards, strict=True)
        for reward, right in zip(r, s.labels[: _until(s.labels)], strict=False)
    ]
    reward, right = np.array([p[0] for p in pairs]), np.array([p[1] for p in pairs])
    tenth = np.minimum((reward * 10).astype(int), 9)
    return {
        "steps": len(pairs),
        "auc_pooled_over_problems": round(ranking.auc(reward.tolist(), right.tolist()) or 0.0, 4),
        "brier": round(float(np.mean((reward - right) ** 2)), 4),
        "by_tenth_of_reward": [
            f"mean {reward[tenth == t].mean():.3f}, right {right[tenth == t].mean():.3f}, n={sum(tenth == t)}"
            for t in np.unique(tenth)
        ],
    }


def calibration(model: Logistic, fitted: dict[str, Any]) -> dict[str, Any]:
    """Return the content of calibration.json."""
    return {
        "format": 1,
        "features": list(FEATURES),
        "coefficients": [round(float(c), 4) for c in model.coefficients],
        "intercept": round(model.intercept, 4),
        "reduction": REDUCTION.value,
        "fitted": fitted,
    }


def table(judged: Sequence[Judged]) -> dict[str, str]:
    """Print the figures by level, and return them: means over problems with 95 % bootstrap intervals."""
    groups = {
        f"level {n}": [j for j in judged if j.record.level == n] for n in sorted({j.record.level for j in judged})
    }
    groups["levels 3-5"] = [j for j in judged if j.record.level >= 3]
    figures: dict[str, str] = {}

    def show(name: str, of: Callable[[Sequence[Judged]], list[float]]) -> None:
        for group, members in groups.items():
            if values := of(members):
                figures[f"{name}, {group}"] = str(ranking.bootstrap(values))
                print(f"{name:34} {group:10} {ranking.bootstrap(values)}", flush=True)

    show("one sample", lambda js: [float(np.mean([s.right for s in j.record.samples])) for j in js])
    show("any sample", lambda js: [float(any(s.right for s in j.record.samples)) for j in js])
    show("majority", lambda js: accuracy(js, REDUCTION, Aggregate.MAJORITY))
    for how in Reduce:
        show(f"AUC within problems, {how}", lambda js, how=how: within_problem_auc(js, how))
        for aggregation in (Aggregate.BEST_OF_N, Aggregate.WEIGHTED_MAJORITY):
            show(f"{aggregation}, {how}", lambda js, how=how, a=aggregation: accuracy(js, how, a))
    return figures


def main() -> None:
    """Measure, fit, print the table, and write calibration.json if asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--samples", type=Path, required=True, help="a file of sample.py")
    parser.add_argument("--verifier", type=Path, default=_VERIFIER, help="the folder of a checkpoint")
    parser.add_argument("--write", action="store_true", help="write calibration.json into that folder")
    options = parser.parse_args()
    measured = measure(list(read(options.samples)), options.verifier)
    judged = cross_fitted(measured)
    features, labels = labelled_steps(measured)
    content = calibration(
        logistic.fit(features, labels),
        {
            "file": options.samples.name,
            "problems": len(measured),
            "samples_per_problem": len(measured[0].record.samples),
            "steps_up_to_the_first_wrong_one": len(labels),
            "cross_fitted_step_rewards": reliability(judged),
            "cross_fitted_figures": table(judged),
        },
    )
    text = json.dumps(content, indent=2)
    print(text)
    if options.write:
        (options.verifier / "calibration.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
