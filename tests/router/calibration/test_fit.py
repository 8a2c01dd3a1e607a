"""Fits to pools in which it is known what there is to find."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from random import Random

import numpy as np
import pytest

from router.calibration.fit import LEAST, Fitted, NotEnough, fit
from router.calibration.outcomes import Outcomes, outcomes
from router.calibration.pools import Pool
from router.calibration.replay import replayed
from router.difficulty.prompt import FEATURES
from router.policy.table import Cell, Table
from router.types import Message, Problem

from . import synthetic
from .synthetic import EASY, HOPELESS, KINDS, MIDDLING, RATIO, pools, rows

MODERATE = 0.003
NEARLY_NOTHING = 1e-6


@pytest.fixture(scope="module", autouse=True)
def _few_sizes() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("router.calibration.fit.LEAVES", (4,))
        yield


@pytest.fixture(scope="module")
def fitted(_few_sizes: None) -> Fitted:
    return fit(pools(LEAST + 2), ratio=RATIO)


@pytest.fixture(scope="module")
def test_pools() -> list[Pool]:
    return pools(150, seed=1)


@pytest.fixture(scope="module")
def unseen(fitted: Fitted, test_pools: list[Pool]) -> Outcomes:
    return outcomes(test_pools, RATIO, [fitted.table.estimate(p.features) for p in test_pools])


def done(table: Table, data: Outcomes, price: float, kind: str | None = None, samples: int = 16) -> tuple[float, float]:
    """Return the accuracy on problems that the fit has not seen, and the compute in solutions."""
    which = rows(data.pools, kind) if kind else list(range(len(data.pools)))
    held = replayed(data, [(table, np.arange(len(data.pools)))], price, samples)
    return float(held.right[which].mean()), float(held.compute[which].mean() / data.unit)


def test_a_solution_is_enough_for_easy_problems(fitted: Fitted, unseen: Outcomes):
    accuracy, compute = done(fitted.table, unseen, MODERATE, EASY)
    assert accuracy > 0.9
    assert compute == pytest.approx(1.0, abs=0.1)


def test_hopeless_problems_are_given_up(fitted: Fitted, unseen: Outcomes):
    assert done(fitted.table, unseen, MODERATE, HOPELESS)[1] == pytest.approx(1.0, abs=0.1)


def test_problems_that_gain_from_more_get_more(fitted: Fitted, unseen: Outcomes):
    once, most = (unseen.right[n, True][rows(unseen.pools, MIDDLING)].mean() for n in (1, 16))
    accuracy, compute = done(fitted.table, unseen, MODERATE, MIDDLING)
    assert accuracy > once + 0.8 * (most - once)
    assert 3.0 < compute < 20.0


def test_a_higher_price_spends_less(fitted: Fitted, unseen: Outcomes):
    prices = [NEARLY_NOTHING, 0.0001, 0.001, 0.004, 0.01, 0.03, 0.1, 0.3, 1.0]
    spent = [done(fitted.table, unseen, price)[1] for price in prices]
    assert all(dearer <= cheaper + 1e-9 for cheaper, dearer in pairwise(spent))
    assert spent[-1] < spent[0]


def test_for_nearly_nothing_it_is_as_accurate_as_all_there_is(fitted: Fitted, unseen: Outcomes):
    full = float(unseen.right[16, True].mean())
    accuracy, compute = done(fitted.table, unseen, NEARLY_NOTHING)
    assert accuracy >= full - 0.03
    assert compute < 16.0


def test_more_samples_than_a_budget_has_are_never_drawn(fitted: Fitted, unseen: Outcomes):
    held = replayed(unseen, [(fitted.table, np.arange(150))], NEARLY_NOTHING, 4)
    assert (held.compute <= unseen.generated[4] + unseen.judging[4]).all()


def test_a_fit_depends_on_its_seed_and_nothing_else():
    some = pools(LEAST, n=2)
    found = fit(some, ratio=RATIO, seed=3)
    assert found == fit(some, ratio=RATIO, seed=3)
    assert found != fit(some, ratio=RATIO, seed=4)


def test_what_was_found_can_be_listed(fitted: Fitted):
    summary = fitted.summary()
    assert [(n, judged) for n, judged, i, _ in summary if i == 1] == [
        (0, False), (1, False), (2, False), (4, False), (8, False), (16, False),
        (1, True), (2, True), (4, True), (8, True), (16, True),
    ]  # fmt: skip
    assert all(isinstance(cell, Cell) for *_, cell in summary)


def test_the_estimate_from_the_prompt_knows_hard_problems(fitted: Fitted, test_pools: list[Pool]):
    means = [np.mean([fitted.table.estimate(p.features) for p in test_pools if p.level == k]) for k in (1, 2, 3)]
    assert means[0] > means[1] > means[2]


def test_the_posterior_is_better_than_any_constant(fitted: Fitted):
    graded = {(row["samples"], row["judged"]): row for row in fitted.validation["difficulty"]}
    for standing, most in [((1, False), 0.7), ((4, False), 0.5), ((4, True), 0.5)]:
        assert graded[standing]["brier"] < most * graded[standing]["brier_constant"]
        assert graded[standing]["spearman"] > 0.4


def test_solutions_may_be_looked_at_in_the_light_of_the_prompt():
    some = pools(LEAST, n=2)
    assert fit(some, ratio=RATIO, guided=True).table.guided
    assert not fit(some, ratio=RATIO).table.guided


def test_ties_go_to_the_cheaper():
    """Nothing gains anything here: every way to go on is worth the same accuracy, and none is planned."""
    certain = [replace(p, solutions=(p.solutions[0],) * 4) for p in pools(LEAST, n=4)]
    table = fit(certain, ratio=RATIO).table
    data = outcomes(certain, RATIO, [0.5] * LEAST)
    assert done(table, data, NEARLY_NOTHING, samples=4)[1] == pytest.approx(1.0, abs=0.1)


def test_options_are_listed_from_the_cheapest(fitted: Fitted):
    for *_, cell in fitted.summary():
        compute = [option.compute for option in cell.options]
        assert compute == sorted(compute)


def test_without_a_scorer_majorities_are_all_there_is():
    majority = [replace(p, solutions=p.solutions[:4]) for p in pools(LEAST, judged=False)]
    table = fit(majority, ratio=0.0).table
    assert not table.judged
    assert {o.strategy for s in table.states for c in s.cells for o in c.options} <= {"greedy", "majority_voting"}


def test_pools_of_unequal_length_reach_as_far_as_the_shortest():
    some = [replace(p, solutions=p.solutions[: Random(p.item).randint(5, 16)]) for p in pools(LEAST)]
    table = fit(some, ratio=RATIO).table
    assert max(s.samples for s in table.states) == 4


def test_tree_searches_are_options_where_all_problems_had_them():
    some = pools(LEAST, n=4)
    with_trees = [replace(p, searches=synthetic.searched(p)) for p in some]
    table = fit(with_trees, ratio=RATIO).table
    trees = {
        (o.strategy, o.n, o.m, s.samples)
        for s in table.states
        for c in s.cells
        for o in c.options
        if o.n > 4 or (s.samples == 0 and o.strategy == "dvts")
    }
    assert trees == {("dvts", 4, 2, 0), ("dvts", 5, 2, 1)}
    data = outcomes(with_trees, RATIO, [0.5] * LEAST)
    accuracy, compute = done(table, data, NEARLY_NOTHING, MIDDLING, samples=64)
    assert accuracy == pytest.approx(float(data.right[4, True][rows(some, MIDDLING)].mean()), abs=0.01)
    assert compute <= 4 + 4 * RATIO


def test_a_tree_search_that_is_best_is_run():
    some = [replace(p, searches=synthetic.searched(p)) for p in pools(LEAST, n=8)]
    table = fit(some, ratio=RATIO).table
    data = outcomes(some, RATIO, [0.5] * LEAST)
    assert data.stages[-1] == 8
    accuracy, compute = done(table, data, 0.001, MIDDLING, samples=8)
    assert accuracy == 1.0
    assert compute == pytest.approx(1.0 + 60 / data.unit, abs=0.3)


def test_a_tree_search_that_one_problem_lacks_is_none():
    some = pools(LEAST, n=4)
    table = fit([replace(p, searches=synthetic.searched(p) if p.item else ()) for p in some], ratio=RATIO).table
    assert all(o.strategy != "dvts" for s in table.states for c in s.cells for o in c.options)


def test_features_that_are_always_the_same_tell_nothing():
    same = [replace(p, features=(1.0,) * len(FEATURES)) for p in pools(LEAST, n=4)]
    estimate = fit(same, ratio=RATIO).table.estimate
    assert set(estimate.weights) == {0.0}
    assert estimate(same[0].features) == pytest.approx(np.mean([synthetic._RATE[k] for k in KINDS]), abs=0.05)


def test_pools_need_no_features():
    estimate = fit([replace(p, features=()) for p in pools(LEAST, n=2)], ratio=RATIO).table.estimate
    assert estimate.weights == ()
    assert 0.3 < estimate(()) < 0.6


def test_what_is_too_little_says_how_many_more_are_needed():
    with pytest.raises(NotEnough, match=f"0 usable problems are too few: at least {LEAST} are needed, {LEAST} more"):
        fit([], ratio=RATIO)
    with pytest.raises(NotEnough, match=f"at least {LEAST} are needed, 7 more"):
        fit(pools(LEAST - 7, n=4), ratio=RATIO)


def test_a_single_solution_cannot_say_what_a_second_brings():
    some = pools(LEAST, n=4)
    short = replace(some[7], solutions=some[7].solutions[:1])
    with pytest.raises(NotEnough, match="a pool has fewer than two solutions"):
        fit([short, *some], ratio=RATIO)


@pytest.mark.parametrize(
    ("kinds", "which", "harder"),
    [
        ([HOPELESS] * 115 + [EASY] * 5, "only 5 of 120 .* more often than not", "add easier problems, about 120 like"),
        ([EASY] * 119 + [HOPELESS], "only 1 of 120 .* less often", "add harder problems, about 1080 like"),
        ([HOPELESS] * 120, "only 0 of 120 .* more often than not", "add easier problems"),
    ],
)
def test_problems_of_one_kind_say_nothing_of_others(kinds: list[str], which: str, harder: str):
    with pytest.raises(NotEnough, match=f"{which}.*at least 10 such are needed: {harder}"):
        fit([synthetic.pool(i, kind, n=4) for i, kind in enumerate(kinds)], ratio=RATIO)


def test_a_fitted_table_plans_for_real_prompts():
    from router.difficulty.prompt import features

    table = fit(pools(LEAST, n=2), ratio=RATIO).table
    assert 0.0 < table.estimate(features(Problem((Message("user", "What is 2 + 2?"),)))) < 1.0
