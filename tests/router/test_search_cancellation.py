"""The workbench where calls are cancelled: what was used is charged, the rest is given back."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence

import pytest

from router.budget import Budget
from router.events import Event
from router.ports import Draw, Scores, Tally
from router.search import Search
from router.testing import FakeGenerator, FakeScorer, run
from router.types import ROOT, Candidate, Finish, Problem, Sample

from .bench import Bench, by_seed, good, write


def test_one_branch_that_fails_cancels_the_others():
    bench = Bench(FakeGenerator(lambda _t, _s: "a " * 50, seconds=1.0), budget=Budget(samples=9))

    async def main() -> None:
        search = bench.open()

        async def branch(node: Candidate) -> None:
            if node.path:
                await asyncio.sleep(3)
                raise LookupError
            await search.rollout([node], 2)

        with pytest.raises(ExceptionGroup):
            await search.concurrently(branch, [ROOT, Candidate((1,))])

    run(main())
    assert bench.generator.active == 0
    assert bench.ledger.spent.tokens == 6  # two samples, three seconds
    assert bench.ledger.held == 0


def test_a_call_that_was_cancelled_before_it_began_holds_nothing():
    bench = Bench(FakeGenerator(write, seconds=1.0), budget=Budget(samples=4, tokens=400))

    async def main() -> None:
        search = bench.open()
        task = asyncio.create_task(search.rollout([ROOT], 4))
        for _ in range(2):  # far enough to reserve, not far enough to call
            await asyncio.sleep(0)
        assert bench.ledger.held
        for each in asyncio.all_tasks() - {asyncio.current_task()}:
            each.cancel()  # as a loop that shuts down does
        with pytest.raises(asyncio.CancelledError):
            await task

    run(main())
    assert (bench.generator.drawn, bench.ledger.held) == (0, 0)


def test_an_interrupted_judgement_gives_back_what_was_set_aside_for_it():
    class Asleep(FakeScorer):
        async def score(self, problem: Problem, candidates: Sequence[Candidate], prompt_tokens: int) -> Scores:
            await asyncio.sleep(100)
            raise AssertionError

    bench = Bench(FakeGenerator(write), Asleep(lambda _t: 0.0), Budget(tokens=1000))

    async def main() -> Search:
        search = bench.open()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5):
                await search.extend([ROOT], 2)
        return search

    search = run(main())
    assert (bench.ledger.held, len(search.unfinished)) == (0, 2)


def test_closing_gives_back_what_was_set_aside_for_judgements_that_will_not_come():
    bench = Bench(FakeGenerator(by_seed, seconds=1.0), good(), Budget(tokens=2000))

    def one_is_slow(_text: str, seed: int) -> str:
        return "a" if seed % 2 else "a " * 50

    bench.generator.script = one_is_slow

    async def main() -> None:
        search = bench.open()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5):
                await search.rollout([ROOT], 4, judge=True)
        assert bench.ledger.held > 0
        search.close()

    run(main())
    assert (bench.ledger.held, bench.ledger.spent.tokens) == (0, 1 + 1 + 5 + 5)


class Stubborn(FakeGenerator):
    """Takes a while to stop."""

    async def sample(
        self, draw: Draw, tally: Tally, on_text: Callable[[str], None] | None = None
    ) -> AsyncIterator[tuple[int, Sample]]:
        try:
            tally.tokens += 3
            yield 0, Sample("a", 1, Finish.EOS)
        finally:
            await asyncio.sleep(10)


def test_what_was_generated_is_charged_even_if_the_call_is_cancelled_while_it_is_closed():
    bench = Bench(Stubborn(write), budget=Budget(tokens=1000))

    def interrupt(_event: Event) -> None:
        raise LookupError

    async def main() -> None:
        search = bench.open()
        search._observe = interrupt  # the error of an observer leaves the generator to be closed
        task = asyncio.create_task(search.rollout([ROOT], 1))
        await asyncio.sleep(1)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    run(main())
    assert (bench.ledger.spent.tokens, bench.ledger.held) == (3, 0)
