import pytest

from server.embedded.train.ranking import auc, bootstrap


def test_auc_is_the_share_of_pairs_in_the_right_order():
    assert auc([3.0, 1.0, 2.0, 0.0], [True, True, False, False]) == 0.75


def test_ties_count_half():
    assert auc([1.0, 1.0], [True, False]) == 0.5


def test_problems_without_both_kinds_have_no_auc():
    assert auc([1.0, 2.0], [True, True]) is None
    assert auc([1.0, 2.0], [False, False]) is None


def test_an_interval_holds_its_mean_and_counts_its_problems():
    interval = bootstrap([0.0, 1.0] * 50)
    assert interval.low < interval.mean == 0.5 < interval.high
    assert interval.problems == 100
    # The standard error of 100 coins is 0.05, so 95 % is about 0.1 to either side.
    assert interval.high - interval.low == pytest.approx(0.2, abs=0.03)


def test_the_same_seed_gives_the_same_interval():
    values = [0.1, 0.7, 0.4, 0.9, 0.33, 0.57, 0.21]
    assert bootstrap(values, seed=1) == bootstrap(values, seed=1) != bootstrap(values, seed=2)


def test_no_values_have_no_interval():
    with pytest.raises(ValueError, match="at least one"):
        bootstrap([])
