"""The workbench: what it draws, charges, records and reports."""

import asyncio

import pytest

from router.budget import Budget
from router.events import Event, Pruned, Sampled, Scored, Text
from router.search import Search
from router.testing import FakeGenerator, FakeScorer, run
from router.types import ROOT, Candidate, Finish, Problem

from .bench import PROBLEM, THREE_STEPS, Bench, by_seed, good, write


def test_children_are_one_step_longer_and_judged_and_in_order():
    bench = Bench(FakeGenerator(write), good())

    async def main() -> tuple[list[Candidate], list[Candidate]]:
        search = bench.open()
        first = await search.extend([ROOT], 2)
        second = await search.extend(first, 2)
        assert search.unfinished == second  # and no longer their parents
        return first, second

    first, second = run(main())
    assert [(c.path, c.text, c.rewards) for c in first] == [((0,), "one\n\n", (0.5,)), ((1,), "one\n\n", (0.5,))]
    assert [c.path for c in second] == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert all((c.text, c.rewards, c.value) == ("one\n\ntwo\n\n", (0.5, 0.6), 0.3) for c in second)


def test_without_a_scorer_children_go_to_the_end():
    bench = Bench(FakeGenerator(write))

    async def main() -> list[Candidate]:
        return await bench.open().extend([ROOT], 2)

    assert [(c.text, c.finish, c.value) for c in run(main())] == [(THREE_STEPS, Finish.EOS, None)] * 2


def test_rollouts_are_judged_only_if_asked_for():
    bench = Bench(FakeGenerator(write), good())

    async def main() -> tuple[float | None, float | None]:
        search = bench.open()
        [plain] = await search.rollout([ROOT], 1)
        [judged] = await search.rollout([ROOT], 1, judge=True)
        assert search.solutions == [plain, judged]
        return plain.value, judged.value

    assert run(main()) == (None, pytest.approx(0.5 * 0.6 * 0.7))


def test_keep_prunes_the_rest_and_hands_their_samples_on():
    bench = Bench(FakeGenerator(by_seed), FakeScorer(lambda t: int(t.split()[1]) % 97 / 97), Budget(samples=4))

    async def main() -> tuple[list[Candidate], list[Candidate], Search]:
        search = bench.open()
        children = await search.extend([ROOT], 4)
        return children, search.keep(children, 1), search

    children, kept, search = run(main())
    assert kept == [max(children, key=lambda c: c.value or 0)]
    assert bench.ledger.samples_left == 3
    assert bench.of(Pruned) == [Pruned(tuple(c.path for c in sorted(children, key=lambda c: -(c.value or 0))[1:]))]
    assert search.unfinished == kept
    search.keep(children, 1)
    assert bench.ledger.samples_left == 3  # pruned once is pruned


def test_ties_go_to_the_lower_index_and_a_finished_one_is_not_pruned():
    finished = Candidate((0,), "a", 1, finish=Finish.EOS, value=0.1)
    partial = [Candidate((i,), "a", 1, value=0.5) for i in (1, 2)]
    bench = Bench(FakeGenerator(write))

    async def main() -> list[Candidate]:
        return bench.open().keep([finished, *partial], 2)

    assert run(main()) == partial
    assert bench.events == []


def test_the_first_child_takes_over_the_sample_of_its_parent():
    bench = Bench(FakeGenerator(write), good(), Budget(samples=1))

    async def main() -> Search:
        search = bench.open()
        beams = [ROOT]
        for _ in range(3):
            beams = await search.extend(beams, 1)
        return search

    assert len(run(main()).solutions) == 1
    assert bench.ledger.spent.samples == 1
    assert bench.ledger.spent.tokens == 3


def test_running_out_of_paths_narrows_the_search_and_does_not_end_it():
    bench = Bench(FakeGenerator(write), good(), Budget(samples=3))

    async def main() -> tuple[int, str | None]:
        search = bench.open()
        beams = await search.extend([ROOT], 2)
        return len(await search.extend(beams, 2)), search.stopped

    assert run(main()) == (3, None)


def test_running_out_of_tokens_ends_the_search():
    bench = Bench(FakeGenerator(lambda _t, _s: "a b c d"), None, Budget(samples=9, tokens=10), longest=5)

    async def main() -> Search:
        search = bench.open()
        await search.rollout([ROOT], 9)
        return search

    search = run(main())
    assert search.stopped == "budget"
    assert [(c.tokens, c.finish) for c in search.solutions] == [(4, Finish.EOS)] * 2
    assert bench.ledger.spent.tokens == 8


def test_a_sample_that_was_shortened_and_cut_ends_the_search():
    bench = Bench(FakeGenerator(lambda _t, _s: "a b c d"), None, Budget(tokens=3))

    async def main() -> Search:
        search = bench.open()
        await search.rollout([ROOT], 1)
        return search

    search = run(main())
    assert (search.stopped, search.solutions[0].text) == ("budget", "a b c")


def test_a_sample_that_reaches_its_own_limit_is_complete():
    bench = Bench(FakeGenerator(lambda _t, _s: "a b c d"), longest=3, deadline=9.0)

    async def main() -> Search:
        search = bench.open()
        await search.rollout([ROOT], 1)
        return search

    search = run(main())
    assert (search.stopped, search.solutions[0].finish) == (None, Finish.LENGTH)


def test_a_step_that_ends_where_the_answer_must_end_is_a_cut_solution():
    bench = Bench(FakeGenerator(write), good(), longest=2)

    async def main() -> Search:
        search = bench.open()
        await search.extend(await search.extend([ROOT], 1), 1)
        return search

    [solution] = run(main()).solutions
    assert (solution.text, solution.finish, solution.value) == ("one\n\ntwo\n\n", Finish.LENGTH, 0.3)


def test_a_path_without_room_or_time_has_no_children():
    bench = Bench(FakeGenerator(write), good(), deadline=5.0)

    async def main() -> Search:
        search = bench.open()
        assert await search.extend([Candidate((0,), "x", tokens=100)], 2) == []
        assert search.stopped is None
        await asyncio.sleep(5)
        assert await search.extend([ROOT], 2) == []
        return search

    assert run(main()).stopped == "deadline"
    assert bench.generator.drawn == 0


def test_the_clock_of_a_search_starts_with_it():
    bench = Bench(FakeGenerator(write, seconds=1.0), deadline=20.0)

    async def main() -> tuple[float, float | None]:
        await asyncio.sleep(10)
        search = bench.open()
        await search.rollout([ROOT], 1)
        return search.seconds_spent, search.seconds_left

    assert run(main()) == (1.0, 9.0)


def test_what_waited_for_its_reservation_until_the_deadline_is_not_drawn():
    bench = Bench(
        FakeGenerator(lambda _t, _s: "a " * 50, seconds=1.0), budget=Budget(samples=8, tokens=60), deadline=9.0
    )
    bench.longest = 51

    async def main() -> Search:
        search = bench.open()
        await search.rollout([ROOT], 4)
        return search

    search = run(main())
    assert (search.stopped, bench.generator.drawn, bench.ledger.spent.samples) == ("deadline", 1, 1)
    assert bench.ledger.held == 0


def test_what_the_deadline_cuts_is_a_solution_and_the_search_says_why_it_ended():
    bench = Bench(FakeGenerator(lambda _t, _s: "a b c d", seconds=1.0), deadline=2.0)

    async def main() -> Search:
        search = bench.open()
        await search.rollout([ROOT], 2)
        assert search.seconds_left == 0.0
        assert search.seconds_spent == 2.0
        return search

    search = run(main())
    assert search.stopped == "deadline"
    assert [c.text for c in search.solutions] == ["a b", "a b"]


def test_what_was_cut_before_its_first_token_is_no_solution():
    bench = Bench(FakeGenerator(lambda _t, _s: "a b", seconds=5.0), deadline=2.0)

    async def main() -> Search:
        search = bench.open()
        await search.rollout([ROOT], 2)
        return search

    assert run(main()).solutions == []


def test_judging_is_set_aside_before_a_sample_starts():
    bench = Bench(FakeGenerator(lambda _t, _s: "a b c d"), FakeScorer(lambda _t: 0.5), Budget(tokens=60), longest=8)

    async def main() -> Search:
        search = bench.open()
        await search.rollout([ROOT], 5, judge=True)
        return search

    search = run(main())
    # a sample of 8 tokens costs 8 + 2 * (3 + 2 * 8) = 46 at most: one fits, then a short one
    assert all(s.value is not None for s in search.solutions)
    assert bench.ledger.overrun == 0
    assert bench.ledger.spent.compute <= 60


def test_events_come_in_the_order_of_what_happened():
    bench = Bench(FakeGenerator(write), good())

    async def main() -> None:
        search = bench.open()
        search.keep(await search.extend([ROOT], 2), 1)

    run(main())
    assert [type(e) for e in bench.events] == [Sampled, Sampled, Scored, Pruned]
    assert bench.events[0] == Sampled((0,), 1, Finish.STEP, None)
    assert bench.events[2] == Scored(2, 8, 0.5)


def test_a_finished_sample_tells_its_answer():
    bench = Bench(FakeGenerator(lambda _t, _s: "so \\boxed{1/2}"))

    async def main() -> None:
        await bench.open().rollout([ROOT], 1)

    run(main())
    assert bench.events == [Sampled((0,), 2, Finish.EOS, "1/2")]


@pytest.mark.parametrize(("live", "count", "pieces"), [(True, 1, [Text("so 1")]), (True, 2, []), (False, 1, [])])
def test_text_is_reported_only_of_a_live_sample_that_is_drawn_alone(live: bool, count: int, pieces: list[Event]):
    bench = Bench(FakeGenerator(lambda _t, _s: "so 1"))

    async def main() -> None:
        search = bench.open()
        search.live = live
        await search.rollout([ROOT], count)

    run(main())
    assert bench.of(Text) == pieces


@pytest.mark.parametrize(
    ("wish", "asked", "drawn"),
    [(None, None, 0.8), (0.0, None, 0.8), (0.3, None, 0.3), (None, 0.0, 0.0), (0.3, 1.0, 1.0)],
)
def test_samples_of_a_search_are_drawn_at_the_temperature_of_the_client_or_our_own(
    wish: float | None, asked: float | None, drawn: float
):
    bench = Bench(FakeGenerator(write), problem=Problem(PROBLEM.messages, temperature=wish))

    async def main() -> None:
        await bench.open().rollout([ROOT], 1, temperature=asked)

    run(main())
    assert bench.generator.draws[0].temperature == drawn


def test_the_shortest_solution_so_far_says_how_short_a_sample_may_be():
    bench = Bench(FakeGenerator(lambda _t, _s: "a b c d"), None, Budget(tokens=7), longest=4)

    async def main() -> Search:
        search = bench.open()
        await search.rollout([ROOT], 3)
        return search

    search = run(main())
    assert (len(search.solutions), search.stopped, bench.generator.drawn) == (1, "budget", 1)
