"""One call of answer() and all that it touches, for the tests of it."""

import asyncio
from collections.abc import Callable
from itertools import pairwise

import pytest

from router.answering import Answer, NoAnswer, answer
from router.budget import Budget
from router.events import Event
from router.plan import Policy
from router.policy.default import DefaultPolicy
from router.testing import FakeGenerator, FakeScorer, run
from router.types import Message, Problem

PROBLEM = Problem((Message("user", "what is it"),))


def saying(*answers: str) -> Callable[[str, int], str]:
    """A script whose i-th sample says the i-th answer, whatever its seed."""
    said = dict[int, str]()

    def script(_text: str, seed: int) -> str:
        return said.setdefault(seed, f"answer {len(said)}: \\boxed{{{answers[len(said) % len(answers)]}}}")

    return script


def valued(*values: float) -> FakeScorer:
    """A scorer that gives the sample called `answer i` the i-th value."""
    return FakeScorer(lambda text: values[int(text.split(":")[0].split()[1]) % len(values)])


class Thinking:
    """Everything around one call of answer()."""

    def __init__(
        self,
        generator: FakeGenerator,
        scorer: FakeScorer | None = None,
        policy: Policy | None = None,
        budget: Budget | None = None,
        problem: Problem = PROBLEM,
    ) -> None:
        self.generator = generator
        self.scorer = scorer
        self.policy = policy or DefaultPolicy()
        self.budget = budget or Budget(samples=16)
        self.problem = problem
        self.events = list[Event]()
        self.elapsed = 0.0

    async def _run(self, *, seed: int, live: bool) -> Answer:
        try:
            return await answer(
                self.problem,
                self.budget,
                generator=self.generator,
                scorer=self.scorer,
                policy=self.policy,
                observe=self.events.append,
                seed=seed,
                live=live,
            )
        finally:
            self.elapsed = asyncio.get_running_loop().time()

    def result(self, *, seed: int = 0, live: bool = False) -> Answer:
        return run(self._run(seed=seed, live=live))

    def failure(self) -> NoAnswer:
        with pytest.raises(NoAnswer) as caught:
            self.result()
        return caught.value

    def kinds(self) -> list[type]:
        """The kinds of events in order, repetitions left out."""
        kinds: list[type] = [type(e) for e in self.events]
        return [kinds[0], *(b for a, b in pairwise(kinds) if a is not b)]


def words(n: int) -> Callable[[str, int], str]:
    return lambda _text, seed: "w " * (n - 1) + f"\\boxed{{{seed % 2}}}"
