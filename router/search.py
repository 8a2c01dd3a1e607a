"""The workbench a strategy works on: it spends, scores, records, reports and cancels, once, for all of them.

Running out of budget or time, or having enough, ends the search and not the request: `solutions` has what finished.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from .aggregation import Aggregate, Reduce
from .budget import Hold, Ledger
from .drawing import Mode, derived, drawn, order
from .equality import Equivalence, key
from .events import Aborted, Lost, Observer, Pruned, Sampled, ignore
from .extraction import stated
from .judging import Judging
from .paths import Paths
from .ports import Draw, Generator, GeneratorError, Measure, Scorer
from .stopping import Stopping
from .types import Candidate, Finish, Problem, Sample

SEARCH_TEMPERATURE = 0.8
"""Where the client names no temperature above 0, samples of a search are drawn at this one."""

Branch = Callable[[Candidate], Coroutine[Any, Any, None]]
"""What explores one subtree, independently of the others."""


class Search:
    """One search for an answer to one problem, with five verbs: extend, rollout, review, keep, concurrently.

    Every sample it draws is paid from `ledger`; nothing new starts after `deadline`, and no judgement is waited for
    after `judged_by` (event-loop times). Where a rule was set with `stop_when`, the verbs that bring solutions raise
    Agreed, and TaskGroups groups of it, as soon as there are enough.
    """

    def __init__(
        self,
        problem: Problem,
        measure: Measure,
        ledger: Ledger,
        generator: Generator,
        scorer: Scorer | None,
        *,
        longest: int,
        deadline: float | None = None,
        judged_by: float | None = None,
        seed: int = 0,
        observe: Observer = ignore,
        equivalence: Equivalence = key,
    ) -> None:
        self.problem = problem
        self.ledger = ledger
        self.longest = longest
        """The most tokens one answer may have."""
        self.stopped: str | None = None
        """Why the search has stopped early: "agreed", "budget" or "deadline"."""
        self.lost = 0
        self.failure: GeneratorError | None = None
        """How the last call that failed did so."""
        self.live = False
        """Report the text of a sample that is drawn alone as it comes."""
        self._generator = generator
        self._deadline = deadline
        self._start = asyncio.get_running_loop().time()
        self._seed = seed
        self._observe = observe
        self._paths = Paths(equivalence)
        self._drawn = Counter[tuple[int, ...]]()
        self._in_flight = 0
        self._judging = Judging(scorer, problem, measure.prompt_tokens, ledger, observe, judged_by)

    @property
    def solutions(self) -> list[Candidate]:
        """The finished candidates so far, ordered by path."""
        return self._paths.solutions

    @property
    def unfinished(self) -> list[Candidate]:
        """Paths that were neither finished nor pruned, the longest first."""
        return self._paths.unfinished

    @property
    def seconds_spent(self) -> float:
        """Time since the search began."""
        return asyncio.get_running_loop().time() - self._start

    @property
    def seconds_left(self) -> float | None:
        """Time left to draw samples in; None without a deadline."""
        return None if self._deadline is None else self._deadline - asyncio.get_running_loop().time()

    @property
    def verified(self) -> bool:
        """Whether there is a scorer and it works."""
        return self._judging.possible

    @property
    def degraded(self) -> tuple[str, ...]:
        """What the search had to go on without, and why."""
        return self._judging.degraded

    def price(self, tokens: int) -> int:
        """Return what a whole answer of so many tokens takes at most, its judgement included."""
        return tokens + self._judging.price(tokens)

    def reduce_by(self, how: Reduce) -> None:
        """Let step rewards become values in this way from now on."""
        self._judging.reduce = how

    def stop_when(self, stopping: Stopping | None, n: int, how: Aggregate) -> None:
        """Ask this rule from now on, at each vote, whether the rest of `n` paths is worth it; None asks nothing."""
        self._paths.stop_when(stopping, n, how, verified=self.verified)

    def abandon(self) -> None:
        """Note that the search has enough, and that what it was drawing has been cancelled."""
        self.stopped = "agreed"
        if self._in_flight:
            self.ledger.hand_on(self._in_flight)
            self._observe(Aborted(self._in_flight))

    async def extend(self, parents: Sequence[Candidate], k: int) -> list[Candidate]:
        """Draw `k` children of each parent, one step longer, and judge them; in order of parent and index.

        Without a scorer there is nothing to choose between steps by: the children then go to the end, and so do those
        whose judgement fails.
        """
        if not self.verified:
            return await self.rollout(parents, k)
        children = await self._judged(await self._grow(parents, k, whole=False, judge=True))
        if self.verified:
            return children
        ended = await self.rollout([c for c in children if not c.finished], 1)
        return sorted([*(c for c in children if c.finished), *ended], key=lambda c: c.path)

    async def rollout(
        self, parents: Sequence[Candidate], k: int, *, judge: bool = False, temperature: float | None = None
    ) -> list[Candidate]:
        """Draw `k` children of each parent that run to the end of the answer, and judge them if asked to."""
        judge = judge and self.verified
        children = await self._grow(parents, k, whole=True, judge=judge, temperature=temperature)
        return await self._judged(children) if judge else children

    async def review(self) -> list[Candidate]:
        """Judge the solutions that nobody has judged yet, in order of path, as many as the budget pays for."""
        unjudged = [s for s in self.solutions if s.value is None and not self._judging.awaits(s)]
        if not (unjudged and self.verified and self._in_time()):
            return []
        funded = self._judging.fund(unjudged)
        if len(funded) < len(unjudged):
            self.stopped = self.stopped or "budget"
        return await self._judged(funded)

    def keep(self, candidates: Sequence[Candidate], k: int) -> list[Candidate]:
        """Return the `k` most valuable; the others are pruned and their samples handed on."""
        ranked = sorted(candidates, key=lambda c: -(c.value or 0.0))  # stable: ties go to the lower index
        pruned = [c for c in ranked[k:] if not c.finished]
        for candidate in pruned:
            if self._paths.prune(candidate.path):
                self.ledger.hand_on()
        if pruned:
            self._observe(Pruned(tuple(c.path for c in pruned)))
        return ranked[:k]

    async def concurrently(self, branch: Branch, nodes: Iterable[Candidate]) -> None:
        """Run `branch` on every node at the same time; one that fails cancels the others."""
        async with asyncio.TaskGroup() as group:
            for node in nodes:
                group.create_task(branch(node))

    def close(self) -> None:
        """Give back what is still set aside for judgements that an interrupted search did not come to."""
        self._judging.close()

    async def _judged(self, children: Sequence[Candidate]) -> list[Candidate]:
        judged = await self._judging.judge(children)
        if not self.verified:
            self._in_time()  # it may have been the clock that lost the scorer
        for candidate in judged:
            self._paths.record(candidate)
        self._paths.count(judged, self.ledger.spent.compute)
        return judged

    async def _grow(
        self,
        parents: Sequence[Candidate],
        k: int,
        *,
        whole: bool,
        judge: bool,
        temperature: float | None = None,
    ) -> list[Candidate]:
        wish = self.problem.temperature or SEARCH_TEMPERATURE
        mode = Mode(whole, judge, wish if temperature is None else temperature)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._children(p, k, mode)) for p in parents]
        return [child for task in tasks for child in task.result()]

    async def _children(self, parent: Candidate, k: int, mode: Mode) -> list[Candidate]:
        """Draw up to `k` children, as many at a time as the budget lets start."""
        room = self.longest - parent.tokens
        if room < 1 or not self._in_time():
            return []
        if self._paths.leave(parent):
            self.ledger.hand_on()  # the first child takes over its parent's sample
        calls = list[asyncio.Task[list[Candidate]]]()
        holds = list[Hold]()
        try:
            async with asyncio.TaskGroup() as group:
                while k > 0 and self._in_time():
                    hold = await self.ledger.reserve(k, room, self._price(parent, mode), lambda: self._least(parent))
                    if hold is None:
                        # running out of paths is how a tree search narrows; running out of tokens ends it
                        self.stopped = self.stopped or ("budget" if self.ledger.samples_left >= 1 else None)
                        break
                    holds.append(hold)
                    if not self._in_time():  # the reservation has waited too long
                        self.ledger.hand_on(hold.count)
                        break
                    first = self._drawn[parent.path]
                    self._drawn[parent.path] += hold.count
                    self._in_flight += hold.count
                    k -= hold.count
                    seed = derived(self._seed, parent.path) + first
                    draw = order(self.problem, parent, hold, mode, seed % 2**63, self._deadline)
                    calls.append(group.create_task(self._call(draw, first, hold, mode)))
        finally:
            for hold in holds:
                hold.release()  # a call that was cancelled before it began released nothing
        children = [child for call in calls for child in call.result()]
        if children:
            self._paths.arrive(parent)
        return sorted(children, key=lambda c: c.path)

    async def _call(self, draw: Draw, first: int, hold: Hold, mode: Mode) -> list[Candidate]:
        """Carry out one draw; what it loses is told and handed on."""
        children = list[Candidate]()
        tell = self._observe if self.live and draw.count == 1 else None
        reason = "the backend returned fewer samples than asked"
        try:
            async with aclosing(drawn(self._generator, draw, hold, tell)) as samples:
                async for j, sample, rest in samples:
                    children.append(self._child(draw, first + j, sample))
                    if mode.judge:
                        self._judging.set_aside(children[-1], rest)
                    else:
                        rest.release()
                    self._arrived(children[-1], sample)
        except GeneratorError as failure:
            self.failure, reason = failure, str(failure)
        self._lose(draw.count - len(children), reason)
        return children

    def _child(self, draw: Draw, index: int, sample: Sample) -> Candidate:
        child = draw.prefix.extended(index, sample)
        if child.tokens >= self.longest and not child.finished:
            child = replace(child, finish=Finish.LENGTH)  # a step that ends where the answer must end, too
        elif child.tokens < self.longest and child.finish is Finish.LENGTH:
            self._cut(draw, sample)
        return child

    def _arrived(self, child: Candidate, sample: Sample) -> None:
        self._in_flight -= 1
        self._paths.record(child)
        answer = stated(child) if child.finished else None
        self._observe(Sampled(child.path, sample.tokens, sample.finish, answer))
        self._paths.count([child], self.ledger.spent.compute)

    def _cut(self, draw: Draw, sample: Sample) -> None:
        """Note what ended a sample before its time: a shortened hold, the clock, or a limit of its server's."""
        if sample.tokens >= draw.max_tokens:
            self.stopped = self.stopped or "budget"
        else:
            self._in_time()

    def _price(self, parent: Candidate, mode: Mode) -> Callable[[int], int]:
        """Price a sample that adds `t` tokens to `parent`, with its judgement, which reads the whole path."""
        return lambda t: t + (self._judging.price(parent.tokens + t) if mode.judge else 0)

    def _least(self, parent: Candidate) -> int:
        """Return the fewest tokens worth starting a sample with: what the shortest solution took, once there is one."""
        return max(1, self._paths.shortest - parent.tokens)

    def _lose(self, samples: int, reason: str) -> None:
        if samples < 1:  # all came, even if the call failed behind the last of them
            return
        self._in_flight -= samples
        self.ledger.hand_on(samples)
        self.lost += samples
        self._observe(Lost(samples, reason))

    def _in_time(self) -> bool:
        if self._deadline is None or asyncio.get_running_loop().time() < self._deadline:
            return True
        self.stopped = "deadline"
        return False
