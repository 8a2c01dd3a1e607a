"""The scoring service as the router's scorer."""

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from random import Random
from typing import Any

import orjson

from router.extraction import split_steps
from router.ports import ScorerError, Scores
from router.types import Candidate, Finish, Problem
from server.upstream import Pool, Replica, Stalled, Unreachable, UpstreamError
from server.upstream.breaker import Breaker, State
from server.upstream.clock import loop_time

from .complaints import LEFT_ALONE, UNUSABLE, Complaints, reason
from .limits import MOST_ITEMS, MOST_STEPS
from .reply import Answer, Garbled, read_reply

_CALL_BYTES = 8 << 20
"""Of one call's items; the service takes twice that."""


@dataclass(frozen=True, slots=True)
class _Ask:
    """One candidate as it is sent: its place, its steps, the most tokens it may take, and its JSON."""

    index: int
    steps: int
    most: int
    body: bytes


class HttpScorer:
    """Adapts a pool of scoring services to `router.ports.Scorer`; starting and closing the pool is its owner's.

    `ratio` is what one scorer token costs in generator tokens, `timeout` the seconds after which there are no rewards.
    A service that is silent though its health checks are answered would cost each search that time: after three in a
    row it is left alone for a second, then for longer. Of one that is known to be down one search at a time tries
    whether it still is: the others do better without rewards than with a wait.
    """

    def __init__(self, pool: Pool, *, ratio: float = 1.0, timeout: float = 10.0, name: str | None = None) -> None:
        self._pool, self._ratio, self._timeout, self._name = pool, ratio, timeout, name or pool.name
        self._breaker = Breaker(loop_time, Random())
        self._absent = False
        self._complaints = Complaints(self._name, loop_time)

    @property
    def name(self) -> str:
        """The model's name."""
        return self._name

    @property
    def ratio(self) -> float:
        """What one scorer token costs in generator tokens."""
        return self._ratio

    def bill(self, prompt_tokens: int, tokens: int) -> int:
        """Return the most scorer tokens that judging a candidate can take.

        The reward model has a tokenizer and a template of its own, which the factor and the constant are for. The
        bound is hard: the service is told it with each candidate, and does not judge one that needs more.
        """
        return 2 * (prompt_tokens + tokens) + 256

    async def score(self, problem: Problem, candidates: Sequence[Candidate], prompt_tokens: int) -> Scores:
        """Judge candidates; one without text, or that the service cannot take, gets no rewards. Raises ScorerError.

        Candidates of several calls that were judged before one of these failed keep their rewards.
        """
        asks = list(self._asks(problem, candidates, prompt_tokens))
        key = blake2b(problem.question.encode(errors="surrogatepass"), digest_size=16).digest()
        deadline = loop_time() + self._timeout
        rewards, errors, tokens = [tuple[float, ...]()] * len(candidates), list[str](), 0
        for part in _parts(asks):
            try:
                answer = await self._ask(part, key, deadline)
            except ScorerError:
                if not any(rewards):
                    raise
                break
            tokens += answer.computed
            for ask, entry in zip(part, answer.entries, strict=True):
                if isinstance(entry, str):
                    errors.append(entry)
                else:
                    rewards[ask.index] = entry
        if errors and len(errors) == len(asks):
            self._complaints.note(UNUSABLE, errors[0])
            raise ScorerError(UNUSABLE)
        return Scores(tuple(rewards), tokens)

    def _asks(self, problem: Problem, candidates: Sequence[Candidate], prompt_tokens: int) -> Iterator[_Ask]:
        if _encoded(problem.question) is None:
            raise ScorerError("cannot be sent this question")
        for index, candidate in enumerate(candidates):
            steps = split_steps(candidate.text)
            if 0 < len(steps) <= MOST_STEPS:
                most = self.bill(prompt_tokens, candidate.tokens)
                if body := _encoded(_item(problem.question, steps, candidate, most)):
                    yield _Ask(index, len(steps), most, body)

    async def _ask(self, part: Sequence[_Ask], key: bytes, deadline: float) -> Answer:
        body = b'{"items":[' + b",".join(ask.body for ask in part) + b"]}"
        failed = list[Replica]()
        with self._guarded():
            while True:
                try:
                    return await self._try(part, body, key, deadline, failed)
                except UpstreamError as failure:
                    if not self._pool.healthy or not await self._pool.patience(failure, deadline, len(failed)):
                        raise

    async def _try(
        self, part: Sequence[_Ask], body: bytes, key: bytes, deadline: float, failed: list[Replica]
    ) -> Answer:
        with self._pool.lease(key, len(part), failed) as replica:
            failed.append(replica)
            try:
                reply = await self._pool.post(replica, "/v1/score", body, deadline=deadline)
                return read_reply(reply, [ask.steps for ask in part], sum(ask.most for ask in part))
            except TimeoutError as late:
                raise Stalled(f"{replica.url} gave no rewards in {self._timeout:g} s") from late
            except Garbled as garbled:
                raise Unreachable(f"{replica.url} gave no rewards: {garbled}") from garbled

    @contextmanager
    def _guarded(self) -> Generator[None]:
        """Let a call through, or not, and learn from how it ends. Raises ScorerError for any UpstreamError."""
        breaker = self._breaker
        self._heed(self._pool.healthy == 0)
        if breaker.state is State.OPEN or breaker.trying:
            raise ScorerError(LEFT_ALONE)
        era, breaker.trying = breaker.era, breaker.state is State.HALF_OPEN
        try:
            yield
        except UpstreamError as failure:
            if isinstance(failure, Stalled) and era == breaker.era and breaker.failed(grave=False):
                breaker.open()
            told = reason(failure, self._timeout)
            self._complaints.note(told, failure)
            raise ScorerError(told) from failure
        else:
            breaker.succeeded()
        finally:
            if era == breaker.era:
                breaker.trying = False

    def _heed(self, absent: bool) -> None:
        """Begin with trials when the whole pool goes down, and with a new one at once when somebody is back."""
        if absent is not self._absent:
            self._absent = absent
            if absent or self._breaker.state is not State.CLOSED:
                self._breaker.half_open()


def _item(question: str, steps: Sequence[str], candidate: Candidate, most: int) -> dict[str, Any]:
    finished = candidate.finish is Finish.EOS
    return {"problem": question, "steps": steps, "finished": finished, "max_tokens": min(most, 2**31 - 1)}


def _encoded(value: Any) -> bytes | None:
    """Return JSON, or None for half a surrogate pair, which is no text: it costs the candidate it is in."""
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError:
        return None


def _parts(asks: Sequence[_Ask]) -> list[list[_Ask]]:
    """Share the candidates out over calls of bounded size."""
    parts, size = list[list[_Ask]](), 0
    for ask in asks:
        size += len(ask.body)
        if not parts or len(parts[-1]) == MOST_ITEMS or size > _CALL_BYTES:
            parts.append([])
            size = len(ask.body)
        parts[-1].append(ask)
    return parts
