"""The workbench when samples are lost, scorers fail, calls are cancelled and backends misbehave."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence

import pytest

from router.budget import Budget
from router.events import Degraded, Lost
from router.ports import Draw, GeneratorError, ScorerError, Scores, Tally
from router.search import Search
from router.testing import FakeGenerator, FakeScorer, run
from router.types import ROOT, Candidate, Finish, Problem, Sample

from .bench import Bench, good, write


async def two_branches(search: Search) -> None:
    """Extend the root by one step twice, at the same time."""

    async def branch(node: Candidate) -> None:
        await search.extend([node], 1)

    await search.concurrently(branch, [ROOT, ROOT])


def test_a_backend_may_cut_a_sample_for_reasons_of_its_own():
    class Tight(FakeGenerator):
        async def sample(
            self, draw: Draw, tally: Tally, on_text: Callable[[str], None] | None = None
        ) -> AsyncIterator[tuple[int, Sample]]:
            yield 0, Sample("a", 1, Finish.LENGTH)

    bench = Bench(Tight(write))

    async def main() -> Search:
        search = bench.open()
        await search.rollout([ROOT], 1)
        return search

    search = run(main())
    assert (search.stopped, len(search.solutions)) == (None, 1)


def test_lost_samples_are_told_and_their_paths_handed_on():
    bench = Bench(FakeGenerator(write, lose=1), None, Budget(samples=4))

    async def main() -> Search:
        search = bench.open()
        await search.rollout([ROOT], 4)
        return search

    search = run(main())
    assert (search.lost, len(search.solutions), bench.ledger.spent.samples) == (1, 3, 3)
    assert bench.of(Lost) == [Lost(1, "the backend returned fewer samples than asked")]


def test_a_call_that_fails_behind_its_last_sample_has_lost_nothing():
    class Abrupt(FakeGenerator):
        async def sample(
            self, draw: Draw, tally: Tally, on_text: Callable[[str], None] | None = None
        ) -> AsyncIterator[tuple[int, Sample]]:
            async for each in FakeGenerator.sample(self, draw, tally, on_text):
                yield each
            raise GeneratorError("connection reset")

    bench = Bench(Abrupt(write), budget=Budget(samples=2))

    async def main() -> Search:
        search = bench.open()
        await search.rollout([ROOT], 2)
        return search

    search = run(main())
    assert (search.lost, len(search.solutions), bench.of(Lost)) == (0, 2, [])


def test_a_failing_call_costs_its_samples_and_leaves_the_parent():
    bench = Bench(FakeGenerator(write), good(), Budget(samples=4))

    async def main() -> Search:
        search = bench.open()
        [parent] = await search.extend([ROOT], 1)
        bench.generator.fail = True
        assert await search.extend([parent], 2) == []
        assert search.unfinished == [parent]
        return search

    search = run(main())
    assert (search.lost, bench.ledger.spent.samples) == (2, 0)
    assert bench.of(Lost) == [Lost(2, "the fake was told to fail")]


@pytest.mark.parametrize(
    "rewards",
    [
        ((0.5,),),
        ((0.5,), (0.5,), (0.5,)),
        ((float("nan"),), (0.5,)),
        ((0.5,), (1.01,)),
        ((0.5,), (-0.01,)),
        ((float("inf"),), (0.5,)),
    ],
)
def test_rewards_that_make_no_sense_end_the_judging_and_not_the_search(rewards: tuple[tuple[float, ...], ...]):
    class Senseless(FakeScorer):
        async def score(self, problem: Problem, candidates: Sequence[Candidate], prompt_tokens: int) -> Scores:
            return Scores(rewards, 1)

    bench = Bench(FakeGenerator(write), Senseless(lambda _t: 0.0), Budget(tokens=1000))

    async def main() -> Search:
        search = bench.open()
        assert [c.value for c in await search.rollout([ROOT], 2, judge=True)] == [None, None]
        assert not search.verified
        assert [c.value for c in await search.rollout([ROOT], 1, judge=True)] == [None]
        return search

    search = run(main())
    assert (len(search.degraded), len(bench.of(Degraded)), bench.ledger.held) == (1, 1, 0)
    assert search.degraded[0].startswith("scorer: ")


def test_rewards_may_be_certain():
    class Certain(FakeScorer):
        async def score(self, problem: Problem, candidates: Sequence[Candidate], prompt_tokens: int) -> Scores:
            return Scores(((0.0,), (1.0,)), 1)

    bench = Bench(FakeGenerator(write), Certain(lambda _t: 0.0))

    async def main() -> Search:
        search = bench.open()
        assert [c.value for c in await search.rollout([ROOT], 2, judge=True)] == [0.0, 1.0]
        return search

    assert run(main()).degraded == ()


def test_branches_that_are_judged_at_the_same_time_degrade_once():
    class Slow(FakeScorer):
        async def score(self, problem: Problem, candidates: Sequence[Candidate], prompt_tokens: int) -> Scores:
            await asyncio.sleep(1)
            raise ScorerError("gone")

    bench = Bench(FakeGenerator(write), Slow(lambda _t: 0.0))

    async def main() -> Search:
        search = bench.open()
        await two_branches(search)
        return search

    assert run(main()).degraded == ("scorer: gone",)


def test_the_scorer_is_paid_though_another_branch_has_given_it_up():
    class Uneven(FakeScorer):
        async def score(self, problem: Problem, candidates: Sequence[Candidate], prompt_tokens: int) -> Scores:
            self.calls += 1
            mine = self.calls
            await asyncio.sleep(mine)
            if mine == 1:
                raise ScorerError("gone")
            return Scores(((0.5,),), 10)

    bench = Bench(FakeGenerator(write), Uneven(lambda _t: 0.0, ratio=3.0), Budget(tokens=10_000))

    async def main() -> Search:
        search = bench.open()
        await two_branches(search)
        return search

    run(main())
    assert bench.ledger.spent.scorer_tokens == 10
    assert bench.ledger.spent.compute == bench.ledger.spent.tokens + 30
    assert bench.ledger.held == 0


def test_what_is_still_being_written_when_the_scorer_dies_is_not_judged():
    class Dying(FakeScorer):
        async def score(self, problem: Problem, candidates: Sequence[Candidate], prompt_tokens: int) -> Scores:
            raise ScorerError("gone")

    def one_is_slow(_text: str, seed: int) -> str:
        return "a" if seed % 2 else "a b c d"

    bench = Bench(FakeGenerator(one_is_slow, seconds=1.0), Dying(lambda _t: 0.0), Budget(tokens=10_000))

    async def main() -> Search:
        search = bench.open()
        await two_branches(search)
        return search

    search = run(main())
    assert [c.value for c in search.solutions] == [None, None]
    assert (len(search.degraded), bench.ledger.held, bench.ledger.spent.compute) == (1, 0, 5)


def test_what_was_set_aside_for_a_scorer_that_has_died_is_given_back():
    class Dying(FakeScorer):
        async def score(self, problem: Problem, candidates: Sequence[Candidate], prompt_tokens: int) -> Scores:
            await asyncio.sleep(1.5)
            raise ScorerError("gone")

    written = iter(["a", "a b", "a b c d"])  # the first is judged, and the second waits for its sibling, when it dies
    bench = Bench(
        FakeGenerator(lambda _t, _s: next(written), seconds=1.0), Dying(lambda _t: 0.0), Budget(tokens=10_000)
    )

    async def main() -> Search:
        search = bench.open()
        await search.concurrently(lambda node: _extended(search, node), [ROOT, Candidate((1,))])
        return search

    async def _extended(search: Search, node: Candidate) -> None:
        await search.extend([node], 2 if node.path else 1)

    search = run(main())
    assert (len(search.degraded), bench.ledger.held, bench.ledger.spent.compute) == (1, 0, 7)


def test_a_generator_without_a_way_to_close_it_is_left_alone():
    class Plain:
        def __init__(self) -> None:
            self.left = [(0, Sample("a", 1, Finish.EOS))]

        def __aiter__(self) -> "Plain":
            return self

        async def __anext__(self) -> tuple[int, Sample]:
            if not self.left:
                raise StopAsyncIteration
            return self.left.pop()

    class Simple(FakeGenerator):
        def sample(self, draw: Draw, tally: Tally, on_text: object = None) -> Plain:  # type: ignore[override]
            return Plain()

    bench = Bench(Simple(write))

    async def main() -> Search:
        search = bench.open()
        await search.rollout([ROOT], 1)
        return search

    assert len(run(main()).solutions) == 1


def test_a_sample_longer_than_ordered_is_an_overrun():
    class Greedy(FakeGenerator):
        async def sample(
            self, draw: Draw, tally: Tally, on_text: Callable[[str], None] | None = None
        ) -> AsyncIterator[tuple[int, Sample]]:
            yield 0, Sample("too long", draw.max_tokens + 5, Finish.EOS)

    bench = Bench(Greedy(write), budget=Budget(samples=2), longest=10)

    async def main() -> None:
        await bench.open().rollout([ROOT], 1)

    run(main())
    assert (bench.ledger.overrun, bench.ledger.spent.tokens) == (5, 15)


def test_errors_that_are_no_generator_errors_are_not_swallowed():
    class Broken(FakeGenerator):
        async def sample(
            self, draw: Draw, tally: Tally, on_text: Callable[[str], None] | None = None
        ) -> AsyncIterator[tuple[int, Sample]]:
            raise ZeroDivisionError
            yield

    bench = Bench(Broken(write))

    async def main() -> None:
        with pytest.raises(ExceptionGroup) as caught:
            await bench.open().rollout([ROOT], 1)
        assert caught.value.split(ZeroDivisionError)[1] is None

    run(main())
    assert bench.ledger.held == 0
