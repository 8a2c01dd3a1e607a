import numpy as np
import pytest

from router.calibration.learners import logistic, tree
from router.policy.table import Split

X = np.linspace(-3.0, 3.0, 200)


def test_a_probability_is_found_again():
    truth = 1.0 / (1.0 + np.exp(-(0.5 + 2.0 * X)))
    model = logistic(X[:, None], truth, strength=1000.0)
    assert np.array([model([x]) for x in X]) == pytest.approx(truth, abs=0.02)


def test_rates_are_taken_into_bounds():
    assert logistic(X[:, None], np.where(X > 0, 1.5, -0.5)) == logistic(X[:, None], np.where(X > 0, 1.0, 0.0))


@pytest.mark.parametrize(("rate", "least", "most"), [(0.0, 0.0, 0.001), (0.3, 0.299, 0.301), (1.0, 0.999, 1.0)])
def test_what_is_always_so_needs_no_features(rate: float, least: float, most: float):
    model = logistic(X[:, None], np.full(200, rate))
    assert model.weights == (0.0,)
    assert least < model([17.0]) < most


def test_features_that_are_always_the_same_have_no_weight():
    truth = (X > 0).astype(float)
    both = logistic(np.column_stack([X, np.full(200, 7.0)]), truth)
    assert both.weights[0] > 1.0
    assert both.weights[1] == 0.0
    assert both([2.0, 7.0]) == both([2.0, 700.0])


@pytest.mark.parametrize("features", [np.zeros((200, 0)), np.full((200, 2), 7.0)])
def test_without_any_feature_the_mean_is_all_that_is_known(features: np.ndarray):
    model = logistic(features, (X > 1.5).astype(float))
    assert model(features[0].tolist()) == pytest.approx(0.25, abs=0.01)


def test_a_tree_sorts_by_what_gains():
    found, leaves = tree(np.column_stack([np.zeros(200), X]), np.where(X > 1.0, 1.0, 0.0), 2, 10)
    assert leaves == 2
    assert isinstance(found, Split)
    assert (found.feature, found.low, found.high) == (1, 0, 1)
    assert found.threshold == pytest.approx(1.0, abs=0.05)


def test_leaves_are_numbered_in_order_and_none_is_too_small():
    gain = np.floor(X)
    found, leaves = tree(X[:, None], gain, 8, 30)
    assert isinstance(found, Split)
    counts = np.bincount([found.leaf([x]) for x in X])
    assert len(counts) == leaves == 6
    assert counts.min() >= 30


@pytest.mark.parametrize(("leaves", "smallest"), [(1, 10), (4, 101)])
def test_too_little_to_sort_is_one_cell(leaves: int, smallest: int):
    assert tree(X[:, None], X, leaves, smallest) == (0, 1)


def test_where_nothing_differs_there_is_one_cell():
    assert tree(np.zeros((200, 3)), X, 4, 10) == (0, 1)
