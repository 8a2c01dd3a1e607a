from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.calibration.fit import LEAST, LEAVES, fit
from router.calibration.outcomes import outcomes
from router.calibration.replay import PRICES
from router.calibration.validation import reliability, spearman

from .synthetic import RATIO, pools

SAMPLES = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=2, max_size=20)


def ranks(values: list[int]) -> list[float]:
    return [sum(v < x for v in values) + (sum(v == x for v in values) + 1) / 2 for x in values]


@given(SAMPLES)
def test_a_rank_correlation_is_that_of_the_mean_ranks(pairs: list[tuple[int, int]]):
    a, b = (np.array(side, float) for side in zip(*pairs, strict=True))
    x, y = (np.array(ranks(list(side))) for side in zip(*pairs, strict=True))
    if x.std() * y.std() == 0:
        assert spearman(a, b) == 0.0
    else:
        assert spearman(a, b) == pytest.approx(np.corrcoef(x, y)[0, 1])


def test_a_rank_correlation_sees_order_only():
    x = np.array([3.0, 1.0, 2.0, 10.0])
    assert spearman(x, np.exp(x)) == pytest.approx(1.0)
    assert spearman(x, -x) == pytest.approx(-1.0)


def test_reliability_sets_predictions_against_what_was_so():
    table = reliability(np.array([0.0, 0.05, 0.55, 1.0]), np.array([0.0, 0.2, 0.5, 0.9]))
    assert [row["problems"] for row in table] == [2, 1, 1]
    assert [row["predicted"] for row in table] == pytest.approx([0.025, 0.55, 1.0])
    assert [row["actual"] for row in table] == pytest.approx([0.1, 0.5, 0.9])


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    return fit(pools(LEAST, n=4), ratio=RATIO).validation


def test_a_validation_has_a_row_for_each_thing_that_was_tried(found: dict[str, Any]):
    data = outcomes(pools(LEAST, n=4), RATIO, [0.5] * LEAST)
    assert found["cells"] in LEAVES
    assert [row["price"] for row in found["policy"]] == list(PRICES)
    assert [(row["strategy"], row["n"]) for row in found["fixed"]] == [
        ("greedy", 1), ("majority_voting", 2), ("weighted_best_of_n", 2), ("majority_voting", 4),
        ("weighted_best_of_n", 4),
    ]  # fmt: skip
    for row, standing in zip(found["fixed"], [(1, False), (2, False), (2, True), (4, False), (4, True)], strict=True):
        assert row["accuracy"] == pytest.approx(data.right[standing].mean())
        assert row["low"] <= row["accuracy"] <= row["high"]
        judging = data.judging[standing[0]] if standing[1] else 0.0
        assert row["compute"] == pytest.approx((data.generated[standing[0]] + judging).mean())


def test_what_is_known_of_the_difficulty_grows_with_the_solutions(found: dict[str, Any]):
    rows = {(row["samples"], row["judged"]): row for row in found["difficulty"]}
    assert list(rows) == [(0, False), (1, False), (2, False), (4, False), (1, True), (2, True), (4, True)]
    assert rows[0, False]["spearman_agreement"] == 0.0
    assert rows[4, True]["brier"] < rows[0, False]["brier"]
    assert all(sum(bin_["problems"] for bin_ in row["reliability"]) == LEAST for row in rows.values())
