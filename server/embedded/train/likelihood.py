"""What the verifier thinks of each token of many solutions, through the engine that serves.

What:     the log-probability of every token of a solution, at temperature 1 over the whole vocabulary.
Command:  none; `calibrate` imports it.
Time:     about 8 thousand tokens a second on one core.
"""

from collections.abc import Sequence
from pathlib import Path

from server.embedded.checkpoint import Floats, load
from server.embedded.llama import Llama
from server.embedded.orders import Passage, ScoreOrder
from server.embedded.prefixes import PrefixTree
from server.embedded.scoring import Scoring

_CACHE_BYTES = 16 * 2**20


def log_probabilities(
    folder: Path, problems: Sequence[tuple[Sequence[int], Sequence[tuple[int, ...]]]]
) -> list[list[Floats]]:
    """For each problem's (prompt ids, solutions' ids), the log-probabilities of each solution's tokens."""
    scoring = Scoring(Llama(load(folder)), PrefixTree(_CACHE_BYTES))
    places: dict[ScoreOrder, int] = {}
    for place, (prompt, solutions) in enumerate(problems):
        order = ScoreOrder(tuple(Passage((*prompt, *ids), len(prompt)) for ids in solutions))
        places[order] = place
        scoring.submit(order)
    found: list[list[Floats]] = [[] for _ in problems]
    while scoring.busy:
        for order, judgement in scoring.step():
            found[places[order]] = list(judgement.logprobs)
    return found
