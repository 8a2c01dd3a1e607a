import pytest

from server.admission.expectation import Expectations, granted, weight
from server.admission.ticket import Entry, Ticket


def taught(*used: int, of: int = 10, kind: str = "k") -> Expectations:
    expected = Expectations()
    for spent in used:
        teach(expected, spent, of, kind)
    return expected


def teach(expected: Expectations, spent: int, of: int = 10, kind: str = "k") -> None:
    entry = Entry(of, of, 0.0)
    entry.spent(spent)
    expected.learn(Ticket(kind, "a", of), entry)


def test_a_kind_never_seen_is_expected_to_use_all() -> None:
    assert taught().share("k") == 1.0


def test_the_first_ones_weigh_alike_with_the_guess() -> None:
    assert taught(4).share("k") == pytest.approx(0.7)
    assert taught(4, 1).share("k") == pytest.approx(0.5)


def test_later_the_newest_weighs_a_tenth() -> None:
    expected = taught(*[4] * 200)
    assert expected.share("k") == pytest.approx(0.4, abs=0.001)
    teach(expected, 10)
    assert expected.share("k") == pytest.approx(0.46, abs=0.001)


@pytest.mark.parametrize(("spent", "share"), [(99, 1.0), (-1, 0.5), (0, 0.5)])
def test_what_is_out_of_bounds_counts_as_the_bound(spent: int, share: float) -> None:
    assert taught(spent).share("k") == share


def test_only_so_many_kinds_are_remembered_and_the_idle_ones_forgotten() -> None:
    expected = taught(0, kind="first")
    for number in range(300):
        teach(expected, 0, kind=str(number))
        teach(expected, 0, kind="busy")
    assert expected.share("first") == 1.0
    assert expected.share("299") < 1.0
    assert expected.share("busy") < 0.1


@pytest.mark.parametrize(
    ("samples", "share", "counts"), [(16, 1.0, 16), (16, 0.25, 4), (16, 0.26, 5), (1, 0.01, 1), (99, 1.0, 32)]
)
def test_samples_count_for_the_share_expected(samples: int, share: float, counts: int) -> None:
    assert weight(samples, share, capacity=32) == counts


@pytest.mark.parametrize(
    ("least", "share", "free", "expected"),
    [
        (1, 1.0, 32, 16),
        (1, 1.0, 9, 4),
        (1, 0.5, 9, 8),
        (1, 1.0, 1, 1),
        (1, 1.0, 0, None),
        (4, 1.0, 5, 4),
        (6, 1.0, 5, None),
    ],
)
def test_half_of_what_is_free_or_the_least(least: int, share: float, free: int, expected: int | None) -> None:
    assert granted(Ticket("k", "a", 16, least), share, 32, free) == expected
