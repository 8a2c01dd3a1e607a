import numpy as np
import pytest

from server.embedded.train import logistic


def test_a_fit_recovers_the_coefficients_that_made_the_labels():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(40_000, 3))
    chance = 1 / (1 + np.exp(-(features @ [-5.0, 0.5, 1.0] + 3.0)))
    model = logistic.fit(features, rng.random(40_000) < chance)
    assert model.coefficients == pytest.approx([-5.0, 0.5, 1.0], abs=0.2)
    assert model.intercept == pytest.approx(3.0, abs=0.2)


def test_probabilities_are_calibrated_on_average():
    rng = np.random.default_rng(1)
    features = rng.normal(size=(500, 1))
    labels = rng.random(500) < 0.3
    model = logistic.fit(features, labels)
    assert model.probability(features).mean() == pytest.approx(labels.mean(), abs=1e-6)


def test_separable_labels_still_have_a_finite_fit():
    features = np.array([[-2.0], [-1.0], [1.0], [2.0]])
    model = logistic.fit(features, np.array([False, False, True, True]))
    assert np.isfinite(model.coefficients).all()
    assert model.probability(features)[-1] > 0.99


def test_the_logarithm_is_exact_where_the_probability_is_tiny():
    model = logistic.Logistic(np.array([1.0]), 0.0)
    assert model.log_probability(np.array([[-800.0]])) == pytest.approx([-800.0])


def test_labels_of_one_kind_are_refused():
    with pytest.raises(ValueError, match="both labels"):
        logistic.fit(np.zeros((3, 1)), np.ones(3, np.bool_))
