"""The workbench under a rule: what is not worth it any more is cancelled while it is drawn."""

import asyncio
from collections.abc import Callable

import pytest

from router.aggregation import Aggregate
from router.budget import Budget
from router.events import Aborted, Lost, Sampled
from router.search import Search
from router.stopping import Agreed, Stopping, decided
from router.testing import FakeGenerator, FakeScorer, run
from router.types import ROOT, Candidate

from .bench import Bench, good


def slower(*answers: str) -> Callable[[str, int], str]:
    """The i-th sample of a search takes i + 1 words."""
    said = dict[int, int]()

    def script(_text: str, seed: int) -> str:
        i = said.setdefault(seed, len(said))
        return "w " * i + f"\\boxed{{{answers[i % len(answers)]}}}"

    return script


async def voted(search: Search, n: int, rule: Stopping | None, how: Aggregate = Aggregate.MAJORITY) -> None:
    search.stop_when(rule, n, how)
    try:
        await search.rollout([ROOT], n)
    except* Agreed:
        search.abandon()


def test_a_decided_vote_aborts_what_is_in_flight_and_pays_for_it():
    bench = Bench(FakeGenerator(slower("7"), seconds=1.0), budget=Budget(samples=8, tokens=900))

    async def main() -> Search:
        search = bench.open()
        await voted(search, 8, Stopping(decided))
        return search

    search = run(main())
    assert (search.stopped, len(search.solutions)) == ("agreed", 5)
    assert bench.of(Aborted) == [Aborted(3)]
    assert (search.lost, bench.of(Lost), bench.generator.active) == (0, [], 0)
    assert bench.ledger.spent.tokens == 1 + 2 + 3 + 4 + 5 + 3 * 5  # the others were stopped after five tokens each
    assert (bench.ledger.spent.samples, bench.ledger.held) == (5, 0)


def test_an_undecided_vote_runs_to_its_end():
    bench = Bench(FakeGenerator(slower("7", "8"), seconds=1.0))

    async def main() -> Search:
        search = bench.open()
        await voted(search, 8, Stopping(decided))
        return search

    search = run(main())
    assert (search.stopped, len(search.solutions), bench.of(Aborted)) == (None, 8, [])


def test_solutions_of_earlier_rounds_have_voted():
    bench = Bench(FakeGenerator(slower("7"), seconds=1.0))

    async def main() -> Search:
        search = bench.open()
        await search.rollout([ROOT], 3)
        await voted(search, 4, Stopping(decided))
        return search

    assert len(run(main()).solutions) == 4  # four of seven


def test_a_rule_holds_for_one_plan():
    bench = Bench(FakeGenerator(slower("7"), seconds=1.0))

    async def main() -> Search:
        search = bench.open()
        search.stop_when(Stopping(decided), 4, Aggregate.MAJORITY)
        await voted(search, 4, None)
        return search

    assert len(run(main()).solutions) == 4


def test_equal_answers_are_told_by_the_equivalence_of_the_request():
    bench = Bench(FakeGenerator(slower("red", "rot"), seconds=1.0))

    async def main() -> Search:
        search = bench.open()
        search._paths._equivalence = lambda answer: answer[0]
        await voted(search, 4, Stopping(decided))
        return search

    assert len(run(main()).solutions) == 3


def test_at_least_so_many_solutions_are_wanted():
    bench = Bench(FakeGenerator(slower("7"), seconds=1.0))

    async def main() -> Search:
        search = bench.open()
        await voted(search, 8, Stopping(decided, least=7))
        return search

    assert len(run(main()).solutions) == 7


def test_other_calls_of_the_search_are_cancelled_with_it():
    bench = Bench(FakeGenerator(slower("7"), seconds=1.0), budget=Budget(samples=9))

    async def main() -> Search:
        search = bench.open()
        search.stop_when(Stopping(decided), 4, Aggregate.MAJORITY)

        async def branch(node: Candidate) -> None:
            await search.rollout([node], 2)

        try:
            await search.concurrently(branch, [ROOT, ROOT])
        except* Agreed:
            search.abandon()
        return search

    search = run(main())
    assert (len(search.solutions), bench.of(Aborted), bench.generator.active) == (3, [Aborted(1)], 0)
    assert bench.ledger.spent.samples == 3


def test_the_rule_is_told_what_a_solution_has_taken():
    told = list[float]()

    class Asking(Stopping):
        def enough(self, standing: object, more: int, compute_each: float) -> bool:
            told.append(compute_each)
            return False

    bench = Bench(FakeGenerator(slower("7"), seconds=1.0))

    async def main() -> None:
        await voted(bench.open(), 3, Asking(decided))

    run(main())
    assert told == [1.0, 1.5]  # and it is not asked when nothing is left to come


def test_judged_votes_count_when_their_values_come():
    bench = Bench(FakeGenerator(slower("7"), seconds=1.0), good(), Budget(samples=20))

    async def main() -> Search:
        search = bench.open()
        await search.rollout([ROOT], 4)
        search.stop_when(Stopping(decided), 1, Aggregate.WEIGHTED_MAJORITY)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(search.rollout([ROOT], 1, judge=True))
                group.create_task(search.review())
        except* Agreed:
            search.abandon()
        return search

    search = run(main())
    assert [s.value for s in search.solutions] == [0.5] * 4  # 2.0 against 1.0 at most
    assert (search.stopped, bench.of(Aborted)) == ("agreed", [Aborted(1)])
    assert bench.of(Sampled)[-1] == Sampled((3,), 4, search.solutions[3].finish, "7")


def test_where_nothing_is_judged_a_weighted_vote_is_one_of_heads():
    bench = Bench(FakeGenerator(slower("7"), seconds=1.0))

    async def main() -> Search:
        search = bench.open()
        await voted(search, 4, Stopping(decided), Aggregate.WEIGHTED_MAJORITY)
        return search

    assert len(run(main()).solutions) == 3


def test_a_dead_scorer_leaves_a_weighted_vote_open():
    """The solutions it did not reach weigh as much as the mean of the others: nobody knows yet how much."""
    bench = Bench(FakeGenerator(slower("7"), seconds=1.0), FakeScorer(lambda _t: 0.1, fail_after=1))

    async def main() -> Search:
        search = bench.open()
        await search.rollout([ROOT], 1, judge=True)
        await search.rollout([ROOT], 1, judge=True)
        await voted(search, 3, Stopping(decided), Aggregate.WEIGHTED_MAJORITY)
        return search

    assert len(run(main()).solutions) == 5


def test_what_fails_while_a_search_is_stopped_is_not_hidden():
    class Clumsy(FakeGenerator):
        def _write(self, draw: object, j: int, start: float) -> object:  # type: ignore[override]
            raise ZeroDivisionError

    bench = Bench(Clumsy(slower("7")))

    async def main() -> None:
        with pytest.raises(ExceptionGroup) as caught:
            await voted(bench.open(), 3, Stopping(decided))
        assert caught.value.split(ZeroDivisionError)[1] is None

    run(main())
