import pytest

from server.admission.pace import Pace


def steady(between: float, leavings: int = 50) -> tuple[Pace, float]:
    pace, now = Pace(), 1000.0
    pace.begins(now)
    for _ in range(leavings):
        now += between
        pace.leaves(now)
    return pace, now


@pytest.mark.parametrize(("between", "ahead", "expected"), [(0.5, 20, 10), (0.001, 20, 1), (9, 20, 60), (0.5, 0, 1)])
def test_those_ahead_leave_as_fast_as_others_did(between: float, ahead: int, expected: float) -> None:
    pace, now = steady(between)
    assert pace.until(ahead, now) == pytest.approx(expected)


def test_a_silence_makes_it_slower() -> None:
    pace, now = steady(0.5)
    assert pace.until(10, now + 4) == pytest.approx(40)


def test_the_time_when_nobody_was_there_does_not_count() -> None:
    pace, now = steady(0.5)
    pace.begins(now + 3600)
    assert pace.until(10, now + 3600) == pytest.approx(5)


def test_before_anybody_has_left_the_time_until_now_counts() -> None:
    pace = Pace()
    pace.begins(1000.0)
    assert pace.until(3, 1004.0) == pytest.approx(12)
