"""The workbench judging what earlier rounds drew and nobody judged."""

import asyncio
from collections.abc import Sequence

import pytest

from router.budget import Budget, Ledger
from router.events import Scored
from router.ports import ScorerError, Scores
from router.search import Search
from router.strategies.best_of_n import BestOfN, WeightedBestOfN
from router.testing import FakeGenerator, FakeScorer, run
from router.types import ROOT, Candidate, Problem

from .bench import Bench, by_seed, good

FOUR = "a b c d"


class Slow(FakeScorer):
    """Takes five seconds, and remembers whom it has judged."""

    async def score(self, problem: Problem, candidates: Sequence[Candidate], prompt_tokens: int) -> Scores:
        judged.extend(c.path for c in candidates)
        await asyncio.sleep(5)
        return await FakeScorer.score(self, problem, candidates, prompt_tokens)


judged = list[tuple[int, ...]]()


def reviewed(bench: Bench, n: int, times: int = 1) -> Search:
    async def main() -> Search:
        search = bench.open()
        await search.rollout([ROOT], n)
        for _ in range(times):
            await search.review()
        return search

    return run(main())


def test_what_nobody_judged_is_judged_once_and_charged():
    bench = Bench(FakeGenerator(lambda _t, _s: FOUR), good(), Budget(samples=3, tokens=1000))
    search = reviewed(bench, 3, times=2)
    assert [s.value for s in search.solutions] == [0.5] * 3
    assert bench.of(Scored) == [Scored(3, 21, 0.5)]
    spent = bench.ledger.spent
    assert (spent.samples, spent.tokens, spent.scorer_tokens, spent.compute) == (3, 12, 21, 12 + 42)
    assert (bench.ledger.held, bench.ledger.overrun, search.stopped) == (0, 0, None)


def test_as_many_are_judged_as_the_budget_pays_for_in_order_of_path():
    # judging takes 2 * (3 + 2 * 4) = 22 at most
    bench = Bench(FakeGenerator(lambda _t, _s: FOUR), good(), Budget(tokens=12 + 50), longest=4)
    search = reviewed(bench, 3)
    assert [s.value is not None for s in search.solutions] == [True, True, False]
    assert (search.stopped, bench.ledger.held) == ("budget", 0)
    assert bench.ledger.spent.compute <= 62


def test_without_a_scorer_there_is_nothing_to_review():
    search = reviewed(Bench(FakeGenerator(by_seed)), 2)
    assert [s.value for s in search.solutions] == [None, None]


def test_a_scorer_that_dies_leaves_the_solutions():
    bench = Bench(FakeGenerator(by_seed), FakeScorer(lambda _t: 0.5, fail_after=0), Budget(tokens=1000))
    search = reviewed(bench, 2, times=2)
    assert [s.value for s in search.solutions] == [None, None]
    assert (len(search.degraded), search.verified, bench.ledger.held) == (1, False, 0)


def test_nothing_is_reviewed_after_the_deadline():
    scorer = good()
    bench = Bench(FakeGenerator(lambda _t, _s: FOUR, seconds=1.0), scorer, deadline=4.5)

    async def main() -> Search:
        search = bench.open()
        await search.rollout([ROOT], 1)
        await asyncio.sleep(1)
        assert await search.review() == []
        return search

    assert (run(main()).stopped, scorer.calls) == ("deadline", 0)


def test_nobody_is_judged_twice_at_the_same_time():
    judged.clear()
    bench = Bench(FakeGenerator(lambda _t, seed: "a " * (seed % 7 + 1), seconds=1.0), Slow(lambda _t: 0.5))

    async def main() -> Search:
        search = bench.open()
        await search.rollout([ROOT], 2)

        async def later() -> None:
            await asyncio.sleep(4)  # some of the new ones wait for their siblings, and the old ones are being judged
            await search.review()

        async with asyncio.TaskGroup() as group:
            group.create_task(search.review())
            group.create_task(search.rollout([ROOT], 3, judge=True))
            group.create_task(later())
        return search

    search = run(main())
    assert sorted(judged) == [(i,) for i in range(5)]
    assert all(s.value == 0.5 for s in search.solutions)


@pytest.mark.parametrize("strategy", [BestOfN(0), WeightedBestOfN(0), BestOfN(2), WeightedBestOfN(3)])
def test_best_of_n_judges_old_and_new_ones(strategy: BestOfN):
    bench = Bench(FakeGenerator(by_seed), scorer := good(), Budget(samples=5))

    async def main() -> Search:
        search = bench.open()
        await search.rollout([ROOT], 2)
        await strategy(search)
        return search

    search = run(main())
    assert len(search.solutions) == bench.ledger.spent.samples == 2 + strategy.n
    assert all(s.value is not None for s in search.solutions)
    assert scorer.calls == (2 if strategy.n else 1)


def test_old_ones_are_judged_while_new_ones_are_drawn():
    judged.clear()
    bench = Bench(FakeGenerator(lambda _t, _s: FOUR, seconds=1.0), Slow(lambda _t: 0.5))

    async def main() -> float:
        search = bench.open()
        await search.rollout([ROOT], 1)
        start = search.seconds_spent
        await BestOfN(2)(search)
        return search.seconds_spent - start

    assert run(main()) == 9.0  # four to draw, five to judge; the old one meanwhile


def test_a_sample_waits_for_what_a_review_will_give_back():
    # the review sets 22 aside and takes 14; a whole judged sample may take 4 + 22
    bench = Bench(FakeGenerator(lambda _t, _s: FOUR), Slow(lambda _t: 0.5), Budget(tokens=4 + 14 + 26), longest=4)

    async def main() -> Search:
        search = bench.open()
        await search.rollout([ROOT], 1)
        await BestOfN(1)(search)
        return search

    search = run(main())
    assert [(s.text, s.value) for s in search.solutions] == [(FOUR, 0.5)] * 2
    assert (search.stopped, bench.ledger.held) == (None, 0)


@pytest.mark.parametrize("strategy", [WeightedBestOfN(0), WeightedBestOfN(1)])
def test_a_judgement_that_is_cancelled_is_charged_in_full(strategy: WeightedBestOfN):
    # nobody knows how far the scorer has come: each of three takes 3 + 2 * 4 of its tokens at most
    bench = Bench(FakeGenerator(lambda _t, _s: FOUR), Slow(lambda _t: 0.5), Budget(tokens=1000))

    async def main() -> None:
        search = bench.open()
        await search.rollout([ROOT], 3 - strategy.n)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await strategy(search)
        search.close()

    run(main())
    spent = bench.ledger.spent
    assert (spent.tokens, spent.scorer_tokens, spent.compute) == (12, 33, 12 + 66)
    assert (bench.ledger.held, bench.ledger.overrun) == (0, 0)


def test_a_judgement_that_is_cancelled_is_charged_even_where_another_has_lost_the_scorer():
    class Failing(Slow):
        async def score(self, problem: Problem, candidates: Sequence[Candidate], prompt_tokens: int) -> Scores:
            self.calls += 1
            await asyncio.sleep(self.calls)
            raise ScorerError("no")

    bench = Bench(FakeGenerator(lambda _t, _s: FOUR), Failing(lambda _t: 0.5))

    async def main() -> None:
        search = bench.open()
        await search.rollout([ROOT], 1)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1.5):
                await WeightedBestOfN(1)(search)

    run(main())
    assert (bench.ledger.spent.scorer_tokens, bench.ledger.held) == (11, 0)  # of the second


def test_compute_is_set_aside_without_a_sample():
    ledger = Ledger(Budget(samples=2, tokens=10), 5)
    hold = ledger.set_aside(7)
    assert hold is not None
    assert ledger.set_aside(4) is None
    assert (ledger.held, ledger.samples_left, ledger.tokens_left) == (7, 2, 10)
    hold.judged(3, 6)
    hold.release()
    assert (ledger.held, ledger.compute_left, ledger.spent.compute) == (0, 4, 6)
