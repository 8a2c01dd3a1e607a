"""Estimates against values known from elsewhere, and laws they must keep."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.evaluation.metrics import RESAMPLES, paired_difference, percentile, proportion, resampled


def test_the_wilson_interval_is_the_textbooks():
    estimate = proportion(8, 10)
    assert (estimate.mean, estimate.n) == (0.8, 10)
    assert estimate.low == pytest.approx(0.4902, abs=1e-4)
    assert estimate.high == pytest.approx(0.9433, abs=1e-4)


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_an_interval_holds_its_mean_and_stays_between_0_and_1(counts: tuple[int, int]):
    estimate = proportion(*counts)
    assert 0 <= estimate.low <= estimate.mean <= estimate.high <= 1
    assert estimate.low < estimate.high


def test_a_paired_difference_uses_the_pairs():
    first, second = [True] * 60 + [False] * 40, [True] * 50 + [False] * 50
    paired = paired_difference(first, second)
    shuffled = paired_difference(first, second[::-1])
    assert paired.mean == pytest.approx(0.1)
    assert shuffled.mean == pytest.approx(0.1)
    assert paired.low > 0 > shuffled.low  # the same means: only the pairing tells


def test_a_paired_difference_is_the_same_with_the_same_seed():
    first, second = [True, False, True, True], [False, False, True, False]
    assert paired_difference(first, second, seed=3) == paired_difference(first, second, seed=3)


@pytest.mark.parametrize(("first", "second"), [([], []), ([True], [True, False])])
def test_what_is_not_paired_is_refused(first: list[bool], second: list[bool]):
    with pytest.raises(ValueError, match="paired"):
        paired_difference(first, second)


def test_percentiles_are_interpolated():
    assert percentile([1.0, 2.0, 3.0, 4.0], 50) == 2.5


def test_a_bootstrap_of_one_seed_has_the_standard_error_of_the_mean():
    values = np.random.default_rng(1).random((1, 400, 2))
    draws = resampled(values)
    assert draws.shape == (RESAMPLES, 2)
    assert draws.mean(axis=0) == pytest.approx(values[0].mean(axis=0), abs=1e-3)
    assert draws.std(axis=0) == pytest.approx(values[0].std(axis=0) / 20, rel=0.05)


def test_differences_between_seeds_widen_the_interval():
    rng = np.random.default_rng(2)
    alike = rng.random((3, 200, 1))
    apart = alike + np.array([-0.3, 0.0, 0.3])[:, None, None]
    assert resampled(apart).std() > 5 * resampled(alike).std()


def test_the_same_problems_under_several_seeds_are_no_further_problems():
    one = np.random.default_rng(3).random((1, 100, 1))
    three = np.repeat(one, 3, axis=0)
    crossed, nested = resampled(three, crossed=True).std(), resampled(three).std()
    assert crossed == pytest.approx(resampled(one).std(), rel=0.05)
    assert nested == pytest.approx(crossed / 3**0.5, rel=0.05)


def test_nothing_cannot_be_resampled():
    with pytest.raises(ValueError, match="nothing"):
        resampled(np.zeros((1, 0, 2)))
