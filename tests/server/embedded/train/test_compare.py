import pytest

from server.embedded.train.compare import paired


def test_a_constant_gain_has_no_spread_however_much_the_problems_differ():
    difference = paired([0.1, 0.5, 1.0], [0.0, 0.4, 0.9])
    assert (difference.mean, difference.low, difference.high) == pytest.approx((0.1, 0.1, 0.1))


def test_values_of_different_problems_do_not_pair():
    with pytest.raises(ValueError, match="do not pair"):
        paired([1.0], [1.0, 0.0])
