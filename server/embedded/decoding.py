"""Continuous batching (Yu et al. 2022, Orca): requests join between two steps, and rows leave when they are done.

Synchronous and for one thread; `engine.py` gives it a thread. A prompt's keys and values are computed once, up to
its last token, and copied to the rows that share it; the last token is what each row feeds in its first step.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from router.types import Finish

from .checkpoint import Floats
from .llama import Ints, Llama
from .orders import Completion, DecodeOrder, Watch
from .prefixes import PrefixTree
from .sampling import draw, log_probabilities, seed_word, uniform
from .slab import Slab

PREFILL_TOKENS = 1024
"""Prompt tokens computed between two steps, unless a single prompt is longer: live rows must not stall."""

_IDLE_BYTES = 64 * 2**20
_NO_TOKEN = -1

_ROW = np.dtype(
    [
        ("token", np.int64),  # fed next
        ("length", np.int64),  # positions in the cache
        ("count", np.int64),  # tokens generated
        ("limit", np.int64),  # tokens to generate at most
        ("step_end", np.int64),
        ("seed", np.uint64),
        ("temperature", np.float32),
        ("top_p", np.float32),
        ("deadline", np.float64),
    ]
)

Done = tuple[DecodeOrder, int, Completion]


@dataclass(slots=True)
class _Owner:
    """Whose row it is: sample `index` of `order`."""

    order: DecodeOrder
    index: int
    watch: Watch | None


@dataclass(slots=True, eq=False)
class _Waiting:
    """An order with samples that have no row yet."""

    order: DecodeOrder
    started: int = 0


class Decoder:
    """Decodes up to `max_rows` rows at once; what does not fit waits, first come, first served.

    The live rows are the first ones of the slab and of every per-row array, without holes, so that a step works
    on views and only rows that end cost Python.
    """

    def __init__(
        self, model: Llama, prefixes: PrefixTree, banned: Sequence[int], max_rows: int, clock: Callable[[], float]
    ) -> None:
        self._model, self._prefixes, self._clock, self._max_rows = model, prefixes, clock, max_rows
        self._bias = np.zeros(model.config.vocabulary, np.float32)
        self._bias[list(banned)] = -np.inf
        self._slab = Slab(model.config)
        self._rows = np.zeros(max_rows, _ROW)
        self._ids = np.zeros((max_rows, model.config.context), np.int32)
        self._logprobs = np.zeros((max_rows, model.config.context), np.float32)
        self._owners: list[_Owner] = []
        self._live: dict[DecodeOrder, int] = {}
        self._queue: deque[_Waiting] = deque()

    @property
    def busy(self) -> bool:
        """Whether there is anything to do."""
        return bool(self._owners or self._queue)

    @property
    def live(self) -> int:
        """Rows being decoded."""
        return len(self._owners)

    def submit(self, order: DecodeOrder) -> None:
        """Queue an order; its rows start in a later step."""
        self._queue.append(_Waiting(order))

    def reset(self) -> None:
        """Forget all orders and their rows."""
        self._owners.clear()
        self._live.clear()
        self._queue.clear()
        self._slab.release()

    def step(self) -> list[Done]:
        """Admit what fits, decode one token for every live row, and return the samples that ended."""
        self._drop_cancelled()
        done = self._refuse()
        self._admit()
        if self._owners:
            tokens = self._decode()
            done += self._retire(tokens)
        return done

    def _drop_cancelled(self) -> None:
        if any(order.cancelled for order in self._live):
            self._compact(np.array([owner.order.cancelled for owner in self._owners]))
        if any(waiting.order.cancelled for waiting in self._queue):
            self._queue = deque(waiting for waiting in self._queue if not waiting.order.cancelled)

    def _refuse(self) -> list[Done]:
        """End waiting samples that have no time or no room left: they have nothing, and are cut there."""
        now = self._clock()
        refused = [w for w in self._queue if w.order.request.deadline <= now or self._limit(w.order) < 1]
        if not refused:
            return []
        self._queue = deque(waiting for waiting in self._queue if waiting not in refused)
        nothing = Completion((), np.zeros(0, np.float32), Finish.LENGTH)
        return [(w.order, i, nothing) for w in refused for i in range(w.started, len(w.order.request.seeds))]

    def _limit(self, order: DecodeOrder) -> int:
        request = order.request
        return min(request.max_tokens, self._model.config.context - len(request.tokens))

    def _admit(self) -> None:
        """Give rows to waiting samples, as far as the rows and the prefill allowance go."""
        groups: dict[tuple[int, ...], list[_Owner]] = {}
        missing: dict[tuple[int, ...], int] = {}
        free = self._max_rows - len(self._owners)
        while self._queue and free and self._allowed(self._queue[0].order.request.tokens, missing):
            owners = self._take(self._queue[0], free)
            groups.setdefault(owners[0].order.request.tokens, []).extend(owners)
            free -= len(owners)
        if groups:
            self._start(dict(sorted(groups.items(), key=lambda group: -missing[group[0]])))

    def _allowed(self, tokens: tuple[int, ...], missing: dict[tuple[int, ...], int]) -> bool:
        """Note how much of a prompt is `missing` from the cache; return whether it may be computed with the others."""
        if tokens not in missing:
            width = len(tokens) - 1 - self._prefixes.known(tokens[:-1])
            if missing and max(width, *missing.values()) * (len(missing) + 1) > PREFILL_TOKENS:
                return False
            missing[tokens] = width
        return True

    def _take(self, waiting: _Waiting, free: int) -> list[_Owner]:
        """Take up to `free` samples of the order that is first in the queue."""
        order, request = waiting.order, waiting.order.request
        taken = range(waiting.started, min(len(request.seeds), waiting.started + free))
        waiting.started = taken.stop
        if waiting.started == len(request.seeds):
            self._queue.popleft()
        watches = request.watches or (None,) * len(request.seeds)
        return [_Owner(order, index, watches[index]) for index in taken]

    def _start(self, groups: dict[tuple[int, ...], list[_Owner]]) -> None:
        """Start rows, grouped by the tokens they continue: the first row of each group, then all others."""
        first = len(self._owners)
        self._prefill(list(groups), first)
        self._owners += [owners[0] for owners in groups.values()]
        for source, (tokens, owners) in enumerate(groups.items(), first):
            others = slice(len(self._owners), len(self._owners) + len(owners) - 1)
            self._owners += owners[1:]
            self._slab.reserve(len(self._owners), len(tokens))
            self._slab.fork(source, others, len(tokens) - 1)
        for slot in range(first, len(self._owners)):
            self._write_row(slot, self._owners[slot])

    def _write_row(self, slot: int, owner: _Owner) -> None:
        order, request = owner.order, owner.order.request
        self._rows[slot] = (
            request.tokens[-1],
            len(request.tokens) - 1,
            0,
            self._limit(order),
            _NO_TOKEN if request.step_end is None else request.step_end,
            seed_word(request.seeds[owner.index]),
            request.temperature,
            request.top_p,
            request.deadline,
        )
        self._live[order] = self._live.get(order, 0) + 1

    def _prefill(self, prompts: list[tuple[int, ...]], first: int) -> None:
        """Fill rows `first`... with the keys and values of all but the last token of each prompt.

        Prompts come with the most missing tokens first, so that those that miss some are neighbours.
        """
        self._slab.reserve(first + len(prompts), max(map(len, prompts)))
        starts = [self._read_prefix(tokens[:-1], first + i) for i, tokens in enumerate(prompts)]
        short = [i for i, start in enumerate(starts) if start < len(prompts[i]) - 1]
        if not short:
            return
        fed = [prompts[i][starts[i] : -1] for i in short]
        width = max(map(len, fed))
        self._slab.reserve(first + len(prompts), max(starts[i] for i in short) + width)
        slots = slice(first, first + len(short))
        tokens = np.array([row + (0,) * (width - len(row)) for row in fed])
        keys, values = self._slab.keys[:, slots], self._slab.values[:, slots]
        self._model.forward(tokens, np.array([starts[i] for i in short]), keys, values)
        for i in short:
            self._remember(prompts[i][:-1], first + i, np.full(len(prompts[i]) - 1, np.nan, np.float32))

    def _read_prefix(self, tokens: tuple[int, ...], slot: int) -> int:
        return self._prefixes.read(tokens, self._slab.keys[:, slot], self._slab.values[:, slot])[0]

    def _remember(self, tokens: tuple[int, ...], slot: int, logprobs: Floats) -> None:
        self._prefixes.insert(tokens, self._slab.keys[:, slot], self._slab.values[:, slot], logprobs)

    def _decode(self) -> Ints:
        """Feed every live row its token, draw the next one, and write it down."""
        live = len(self._owners)
        rows = self._rows[:live]
        self._slab.reserve(live, int(rows["length"].max()) + 1)
        keys, values = self._slab.keys[:, :live], self._slab.values[:, :live]
        logits = self._model.logits(self._model.forward(rows["token"][:, None], rows["length"], keys, values)[:, 0])
        shares = uniform(rows["seed"], rows["count"])
        tokens = draw(logits + self._bias, rows["temperature"], rows["top_p"], shares)
        every = np.arange(live)
        self._ids[every, rows["count"]] = tokens
        self._logprobs[every, rows["count"]] = log_probabilities(logits, tokens)
        rows["token"] = tokens
        rows["length"] += 1
        rows["count"] += 1
        for order, count in self._live.items():
            if not order.cancelled:  # whoever cancelled has settled already
                order.charge.tokens += count
        return tokens

    def _retire(self, tokens: Ints) -> list[Done]:
        """Take out the rows that end with `tokens`, their last ones."""
        rows = self._rows[: len(tokens)]
        eos = tokens == self._model.config.eos
        for slot, owner in enumerate(self._owners):
            if owner.watch is not None and owner.watch(int(tokens[slot])):
                eos[slot] = True
        step = tokens == rows["step_end"]
        ended = eos | step | (rows["count"] >= rows["limit"]) | (rows["deadline"] <= self._clock())
        done: list[Done] = []
        for slot in np.flatnonzero(ended):
            finish = Finish.EOS if eos[slot] else Finish.STEP if step[slot] else Finish.LENGTH
            done.append(self._complete(int(slot), finish))
        if done:
            self._compact(ended)
        return done

    def _complete(self, slot: int, finish: Finish) -> Done:
        owner, count = self._owners[slot], int(self._rows["count"][slot])
        ids = tuple(self._ids[slot, :count].tolist())
        logprobs = self._logprobs[slot, :count].copy()
        if finish is Finish.STEP:  # it may be continued; its last token has not been fed yet
            prompt = owner.order.request.tokens
            known = np.concatenate([np.full(len(prompt), np.nan, np.float32), logprobs[:-1]])
            self._remember(prompt + ids[:-1], slot, known)
        return owner.order, owner.index, Completion(ids, logprobs, finish)

    def _compact(self, ended: NDArray[np.bool_]) -> None:
        """Close the gaps that the ended rows leave with rows from the end."""
        for slot in np.flatnonzero(ended):
            order = self._owners[slot].order
            self._live[order] -= 1
            if not self._live[order]:
                del self._live[order]
        remaining = int(len(ended) - ended.sum())
        holes = np.flatnonzero(ended[:remaining])
        movers = remaining + np.flatnonzero(~ended[remaining:])
        if holes.size:
            self._slab.move(movers, holes, int(self._rows["length"][movers].max()))
            for array in (self._rows, self._ids, self._logprobs):
                array[holes] = array[movers]
            for hole, mover in zip(holes, movers, strict=True):
                self._owners[hole] = self._owners[mover]
        del self._owners[remaining:]
        if not self._owners and self._slab.nbytes > _IDLE_BYTES:
            self._slab.release()
