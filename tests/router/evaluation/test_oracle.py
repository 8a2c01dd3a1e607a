"""The oracle knows how hard a problem is, and nothing else."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.evaluation.oracle import BINS, bins, choose, halves


@given(st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0]), min_size=5, max_size=60))
def test_bins_are_quintiles_in_the_order_of_the_rates(rates: list[float]):
    found = bins(np.array(rates))
    sizes = np.bincount(found, minlength=BINS)
    assert sizes.max() - sizes.min() <= 1
    for low in range(BINS - 1):
        assert max(r for r, b in zip(rates, found, strict=True) if b == low) <= min(
            r for r, b in zip(rates, found, strict=True) if b == low + 1
        )


def test_equal_rates_are_not_told_apart_by_their_place():
    found = bins(np.ones(1000))
    assert abs(np.corrcoef(found, np.arange(1000))[0, 1]) < 0.1


def test_a_problem_is_in_the_same_half_under_every_seed_that_asks_it():
    crossed, apart = halves(3, 100, crossed=True), halves(3, 100)
    assert (crossed == crossed[0]).all()
    assert not (apart == apart[0]).all()
    assert set(crossed.sum(axis=1)) == set(apart.sum(axis=1)) == {50}


def sharp() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Row 0 is right on the easy half of 200 problems, row 1 on the hard half, row 2 as row 0 at twice the price."""
    rates = np.linspace(0, 1, 200)[None]
    easy = (rates >= 0.6).astype(float)
    correct = np.stack([easy, 1 - easy, easy])
    compute = np.stack([np.full_like(rates, cost) for cost in (1.0, 5.0, 2.0)])
    return correct, compute, rates


def test_the_best_of_each_bin_is_chosen_and_of_equals_the_cheaper():
    correct, compute, rates = sharp()
    chosen = choose(correct, compute, rates, halves(1, 200), [0, 1, 2])
    assert (chosen[rates >= 0.6] == 0).all()
    assert (chosen[rates < 0.6] == 1).all()


def test_only_the_rows_within_the_budget_are_chosen_from():
    correct, compute, rates = sharp()
    assert set(choose(correct, compute, rates, halves(1, 200), [2]).ravel()) == {2}


def test_a_half_is_never_judged_by_itself():
    rng = np.random.default_rng(0)
    correct = rng.integers(0, 2, (40, 1, 500)).astype(float)  # forty strategies that are all luck
    chosen = choose(correct, np.ones_like(correct), rng.random((1, 500)), halves(1, 500), list(range(40)))
    reached = np.take_along_axis(correct, chosen[None], 0).mean()
    assert reached == pytest.approx(0.5, abs=0.07)  # choosing on the same problems would seem to reach 0.6


def test_a_few_problems_are_enough():
    correct, compute = np.array([[[1.0]], [[0.0]]]), np.ones((2, 1, 1))
    assert choose(correct, compute, np.ones((1, 1)), halves(1, 1), [0, 1]).tolist() == [[0]]
