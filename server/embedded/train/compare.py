r"""Is one verifier better than another? Paired differences on the same samples.

What:     both are cross-fitted and compared problem by problem on levels 3 to 5: within-problem AUC, best-of-N and
          weighted best-of-N, with 95 % bootstrap intervals.
Command:  python -m server.embedded.train.compare --samples /tmp/samples.jsonl --verifier /tmp/verifier \
              --against server/embedded/weights/verifier
Time:     two minutes on one core (OPENBLAS_NUM_THREADS=1) for 800 problems with 32 samples each.
Seed:     0 for the bootstrap.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from router.aggregation import Aggregate
from server.embedded.train import ranking
from server.embedded.train.calibrate import (
    REDUCTION,
    accuracy,
    cross_fitted,
    measure,
    within_problem_auc,
)
from server.embedded.train.ranking import Interval
from server.embedded.train.records import Record, read

LEVELS = (3, 4, 5)


def figures(records: Sequence[Record], verifier: Path) -> dict[str, list[float]]:
    """Return a verifier's cross-fitted figures per problem, by name."""
    judged = cross_fitted(measure(records, verifier))
    hard = [one for one in judged if one.record.level in LEVELS]
    return {
        "AUC within problems": within_problem_auc(hard, REDUCTION),
        "best-of-N": accuracy(hard, REDUCTION, Aggregate.BEST_OF_N),
        "weighted best-of-N": accuracy(hard, REDUCTION, Aggregate.WEIGHTED_MAJORITY),
        "majority": accuracy(hard, REDUCTION, Aggregate.MAJORITY),
    }


def paired(values: Sequence[float], against: Sequence[float]) -> Interval:
    """Return the mean difference over the same problems, with its interval. Raises ValueError if they are not."""
    if len(values) != len(against):
        raise ValueError(f"{len(values)} and {len(against)} values do not pair")
    return ranking.bootstrap(np.asarray(values) - np.asarray(against))


def main() -> None:
    """Print both verifiers' figures and their differences."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--samples", type=Path, required=True, help="a file of sample.py")
    parser.add_argument("--verifier", type=Path, required=True, help="the folder of a checkpoint")
    parser.add_argument("--against", type=Path, required=True, help="the folder of another")
    options = parser.parse_args()
    records = list(read(options.samples))
    ours, theirs = (figures(records, path) for path in (options.verifier, options.against))
    for name, values in ours.items():
        print(f"{name:20} {ranking.bootstrap(values)}   against {ranking.bootstrap(theirs[name])}")
        print(f"{'':20} difference {paired(values, theirs[name])}")
    for who, found in (("verifier", ours), ("against", theirs)):
        gain = paired(found["weighted best-of-N"], found["majority"])
        print(f"weighted best-of-N over majority, {who}: {gain}")


if __name__ == "__main__":
    main()
