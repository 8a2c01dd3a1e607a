"""From the token log-probabilities of a solution to the features of its steps.

What:     the surprise of a token is -log p(token) under the verifier, in nats. A wrong step nearly always holds
          one token the verifier would not have written, so the largest surprise says most; logarithms, because
          a surprise of 12 is hardly worse news than one of 6. The features are those of the scorer that serves.
Command:  none; `calibrate` imports it.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from server import calibration
from server.embedded import checkpoint

Floats = NDArray[np.float64]
FEATURES = ("log1p_largest_surprise", "log1p_total_surprise", "log_length")


def step_lengths(ids: Sequence[int], separator: int) -> list[int]:
    """Count the tokens of each step; a separator belongs to the step it ends, and what is left is the last."""
    lengths = [0]
    for token in ids:
        lengths[-1] += 1
        if token == separator:
            lengths.append(0)
    return lengths if lengths[-1] else lengths[:-1]


def step_features(log_probabilities: checkpoint.Floats, lengths: Sequence[int]) -> Floats:
    """Return the FEATURES (steps, 3) of a solution from the log-probabilities of all its tokens."""
    surprises = np.maximum(-log_probabilities, 0.0)
    steps = np.split(surprises, np.cumsum(lengths)[:-1])
    rows = [[calibration.FEATURES[name](step) for name in FEATURES] for step in steps]
    return np.array(rows, np.float64).reshape(-1, len(FEATURES))
