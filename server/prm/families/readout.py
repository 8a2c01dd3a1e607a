"""From what was read to probabilities, and from an item to clean steps: the same for several families."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from ..ports import Floats, HostError, Item, Passage
from ..tokens import Tokens


def clean(tokens: Tokens, item: Item, reserved: Iterable[str] = ()) -> tuple[str, tuple[str, ...]]:
    """Return the problem and its steps, stripped and without special tokens or `reserved` words.

    Raises ValueError where there is no step, or one without text: it would be an extra place to read.
    """
    problem, *steps = (tokens.defused(text.strip(), reserved) for text in (item.problem, *item.steps))
    if not steps:
        raise ValueError("an item has at least one step")
    for number, step in enumerate(steps):
        if not step:
            raise ValueError(f"step {number} is blank")
    return problem, tuple(steps)


def one_read_each(ids: Sequence[int], reads: Sequence[int]) -> Passage:
    """Return a passage with one read per step, cut behind the last: nothing later changes what a causal model says."""
    spans = tuple((i, i + 1) for i in range(len(reads)))
    return Passage(tuple(ids[: reads[-1] + 1]), tuple(reads), spans)


def checked(passage: Passage, values: Floats, width: int) -> NDArray[np.float64]:
    """Return the values (reads, width) in double precision. Raises HostError for another shape, NaN or infinity."""
    if values.shape != (len(passage.reads), width):
        raise HostError(f"the model gave {values.shape} numbers instead of {(len(passage.reads), width)}")
    if not np.isfinite(values).all():
        raise HostError("the model gave numbers that are not finite")
    return values.astype(np.float64)


def sigmoid(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the logistic function of each value, without overflow."""
    return np.exp(-np.logaddexp(0.0, -values))


def better(good: NDArray[np.float64], bad: NDArray[np.float64]) -> tuple[float, ...]:
    """Return the share that a softmax over two logits gives the good one."""
    return tuple(float(p) for p in sigmoid(good - bad))
