"""Log-probabilities of given sequences, batched over candidates and requests; each distinct token computed once.

Synchronous and for one thread, like `decoding.py`; one step is one pass through the model.
"""

from collections import Counter, deque
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from .checkpoint import Floats
from .llama import Ints, Llama
from .orders import Judgement, Passage, ScoreOrder
from .prefixes import PrefixTree
from .sampling import log_probabilities
from .slab import Slab

BATCH_TOKENS = 1024
"""Tokens of one pass, padding included, unless one passage alone is longer."""

BATCH_ROWS = 64
"""Passages of one pass: extending cached ones feeds few tokens, but each needs its cache in the slab."""

ROUND_PASSAGES = 256
"""Passages that are sorted and batched together, unless one order has more."""

_IDLE_BYTES = 64 * 2**20
_SHARED = -1


@dataclass(slots=True, eq=False)
class _Progress:
    """What an order still waits for."""

    order: ScoreOrder
    results: list[Floats]
    open: int
    tokens: int = 0


@dataclass(slots=True, eq=False)
class _Work:
    """A passage and everyone who wants it; the first one pays."""

    passage: Passage
    wanted: list[tuple[_Progress, int]] = field(default_factory=list[tuple[_Progress, int]])

    @property
    def cancelled(self) -> bool:
        return all(progress.order.cancelled for progress, _ in self.wanted)


class Scoring:
    """Judges passages in rounds: first the prompts that several passages share, then the passages, shortest first."""

    def __init__(self, model: Llama, prefixes: PrefixTree) -> None:
        self._model, self._prefixes = model, prefixes
        self._slab = Slab(model.config)
        self._queue: deque[ScoreOrder] = deque()
        self._prompts: list[_Work] = []
        self._works: list[_Work] = []
        self._done: list[tuple[ScoreOrder, Judgement]] = []

    @property
    def busy(self) -> bool:
        """Whether there is anything to do."""
        return bool(self._queue or self._works)

    def submit(self, order: ScoreOrder) -> None:
        """Queue an order for the next round."""
        self._queue.append(order)

    def reset(self) -> None:
        """Forget all orders."""
        self._queue.clear()
        self._prompts, self._works, self._done = [], [], []
        self._slab.release()

    def step(self) -> list[tuple[ScoreOrder, Judgement]]:
        """Make one pass through the model and return the orders that are complete."""
        if not self._works:
            self._begin_round()
        if self._prompts:
            self._prompts = self._pass(self._prompts)
        elif self._works:
            self._works = self._pass(self._works)
        if not self.busy and self._slab.nbytes > _IDLE_BYTES:
            self._slab.release()
        done, self._done = self._done, []
        return done

    def _begin_round(self) -> None:
        works: dict[Passage, _Work] = {}
        while self._queue and len(works) < ROUND_PASSAGES:
            order = self._queue.popleft()
            if order.cancelled:
                continue
            progress = _Progress(order, [np.zeros(0, np.float32)] * len(order.passages), len(order.passages))
            for index, passage in enumerate(order.passages):
                works.setdefault(passage, _Work(passage)).wanted.append((progress, index))
            if not order.passages:
                self._done.append((order, Judgement((), 0)))
        self._works = list(works.values())
        self._prompts = self._shared_prompts()

    def _shared_prompts(self) -> list[_Work]:
        """Return what stands before the first judged token and its predictor, where passages have it in common."""
        counts = Counter(work.passage.tokens[: work.passage.start - 1] for work in self._works)
        first: dict[tuple[int, ...], _Work] = {}
        for work in self._works:
            first.setdefault(work.passage.tokens[: work.passage.start - 1], work)
        return [
            _Work(Passage(tokens, len(tokens)), [(first[tokens].wanted[0][0], _SHARED)])
            for tokens, count in counts.items()
            if count > 1 and tokens
        ]

    def _pass(self, works: list[_Work]) -> list[_Work]:
        """Compute as many of `works` as fit one pass, the shortest first, and return the others."""
        works = [work for work in works if not work.cancelled]
        missing = {work: len(work.passage.tokens) - self._prefixes.known(work.passage.tokens) for work in works}
        works.sort(key=lambda work: missing[work])
        most = min(len(works), BATCH_ROWS)
        size = next((n for n in range(1, most) if (n + 1) * (missing[works[n]] + 1) > BATCH_TOKENS), most)
        self._compute(works[:size])
        return works[size:]

    def _compute(self, works: list[_Work]) -> None:
        self._slab.reserve(len(works), max((len(work.passage.tokens) for work in works), default=0))
        pending: list[_Work] = []
        known: list[Floats] = []
        for work in works:
            logprobs = self._known(work.passage, len(pending))
            if len(logprobs) == len(work.passage.tokens):
                self._settle(work, logprobs, 0)
            else:
                pending.append(work)
                known.append(logprobs)
        if pending:
            self._forward(pending, known)

    def _known(self, passage: Passage, slot: int) -> Floats:
        """Fill a row of the slab from the cache; return the log-probabilities of the tokens that need no work."""
        keys, values = self._slab.keys[:, slot], self._slab.values[:, slot]
        logprobs = self._prefixes.read(passage.tokens, keys, values)[1]
        unknown = passage.start + np.flatnonzero(np.isnan(logprobs[passage.start :]))
        return logprobs[: unknown[0]] if unknown.size else logprobs

    def _forward(self, works: list[_Work], known: list[Floats]) -> None:
        """Compute each passage from its first unknown token on.

        What predicts that token is the output at the one before it, so where log-probabilities are wanted right
        from there, the last known token is fed again.
        """
        passages = [work.passage for work in works]
        starts = [len(k) - (len(k) >= p.start) for k, p in zip(known, passages, strict=True)]
        width = max(len(p.tokens) - start for p, start in zip(passages, starts, strict=True))
        self._slab.reserve(len(works), max(starts) + width)
        tokens, targets, wanted = _pad(passages, starts, width)
        keys, values = self._slab.keys[:, : len(works)], self._slab.values[:, : len(works)]
        hidden = self._model.forward(tokens, np.array(starts), keys, values)
        new = np.full(tokens.shape, np.nan, np.float32)
        new[wanted] = log_probabilities(self._model.logits(hidden[wanted]), targets[wanted])
        for slot, (work, start) in enumerate(zip(works, starts, strict=True)):
            fed = len(work.passage.tokens) - start
            logprobs = np.full(start + fed, np.nan, np.float32)
            logprobs[: len(known[slot])] = known[slot]
            logprobs[start + 1 :] = new[slot, : fed - 1]
            self._prefixes.insert(work.passage.tokens, keys[:, slot], values[:, slot], logprobs)
            self._settle(work, logprobs, fed)

    def _settle(self, work: _Work, logprobs: Floats, fed: int) -> None:
        work.wanted[0][0].tokens += fed
        for progress, index in work.wanted:
            if index == _SHARED:
                continue
            progress.results[index] = logprobs[work.passage.start :]
            progress.open -= 1
            if not progress.open:
                # A cache too small for a round loses prompts before they are used; nobody pays for them twice.
                most = sum(len(passage.tokens) for passage in progress.order.passages)
                self._done.append((progress.order, Judgement(tuple(progress.results), min(progress.tokens, most))))


def _pad(passages: list[Passage], starts: list[int], width: int) -> tuple[Ints, Ints, NDArray[np.bool_]]:
    """Return, each (passages, width): what is fed, what it should predict, and where that is asked for."""
    tokens, targets = np.zeros((2, len(passages), width), np.int64)
    wanted = np.zeros((len(passages), width), np.bool_)
    for row, (passage, start) in enumerate(zip(passages, starts, strict=True)):
        fed = len(passage.tokens) - start
        tokens[row, :fed] = passage.tokens[start:]
        targets[row, : fed - 1] = passage.tokens[start + 1 :]
        wanted[row, max(passage.start - start - 1, 0) : fed - 1] = True
    return tokens, targets, wanted
