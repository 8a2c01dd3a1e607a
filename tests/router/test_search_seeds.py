"""The same request draws the same samples, however they are spread over calls."""

from router.budget import Budget
from router.search import Search
from router.testing import FakeGenerator, run
from router.types import ROOT

from .bench import Bench, by_seed, good, write


def texts(seed: int, n: int, budget: Budget | None = None) -> list[str]:
    bench = Bench(FakeGenerator(by_seed), seed=seed, budget=budget or Budget())

    async def main() -> Search:
        search = bench.open()
        await search.rollout([ROOT], n)
        return search

    return [c.text for c in run(main()).solutions]


def test_the_same_seed_draws_the_same_samples_and_another_draws_others():
    assert texts(1, 8) == texts(1, 8)
    assert not set(texts(1, 8)) & set(texts(2, 8))


def test_four_samples_are_the_first_four_of_sixteen():
    assert texts(5, 16)[:4] == texts(5, 4)


def test_the_draws_do_not_depend_on_how_many_the_budget_lets_start_at_once():
    assert texts(5, 6, Budget(tokens=250)) == texts(5, 6)


def test_no_two_samples_of_a_search_share_a_seed():
    bench = Bench(FakeGenerator(write), good())

    async def main() -> None:
        search = bench.open()
        beams = await search.extend([ROOT], 4)
        await search.extend([ROOT], 4)
        await search.extend(beams, 4)

    run(main())
    seeds = [draw.seed + j for draw in bench.generator.draws for j in range(draw.count)]
    assert len(set(seeds)) == len(seeds) == 24
    assert all(0 <= seed < 2**63 for seed in seeds)
