"""The splits never meet, and what the shipped weights saw is never drawn."""

from collections import Counter
from itertools import pairwise
from random import Random

import numpy as np
import pytest

from server.embedded.problems import splits
from server.embedded.problems.family import KINDS, LEVELS, WEIGHTS, Problem, make
from server.embedded.problems.splits import (
    Split,
    apportion,
    draw,
    identity,
    seen_hash,
    seen_hashes,
    split_of,
    was_seen,
)
from server.embedded.train.seen_problems import exam, stream

SEEN = set(seen_hashes().tolist())


@pytest.fixture(scope="module")
def tests_drawn() -> list[Problem]:
    return draw("test", 60, 0)


@pytest.mark.parametrize("split", ["test", "calibration"])
def test_no_drawn_problem_is_in_training(split: Split):
    drawn = draw(split, 60, 1)
    assert {split_of(problem.question) for problem in drawn} == {split}
    assert not any(seen_hash(problem.question) in SEEN for problem in drawn)


def test_what_the_shipped_weights_were_trained_on_is_recorded():
    training = stream(1017, exam())
    questions = [next(training) for _ in range(4_000)]
    held_out = [question for question in questions if split_of(question) != "train"]
    assert len(held_out) > 300
    assert all(was_seen(question) for question in held_out)


def test_few_fresh_problems_are_taken_for_seen_ones():
    fresh = [f"fresh question {number}" for number in range(20_000)]
    assert sum(map(was_seen, fresh)) <= 5


def test_the_record_is_sorted_small_and_of_the_held_out_splits():
    hashes = seen_hashes()
    assert hashes.dtype == np.uint32
    assert (np.diff(hashes.astype(np.int64)) > 0).all()
    assert splits.SEEN_FILE.stat().st_size < 1_000_000


def test_the_highest_hash_is_looked_up_like_any_other(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(splits, "seen_hashes", lambda: np.array([1], np.uint32))
    monkeypatch.setattr(splits, "seen_hash", lambda _: 2**32 - 1)
    assert not was_seen("hello")


def test_a_draw_repeats_for_a_seed_and_differs_between_seeds(tests_drawn: list[Problem]):
    assert draw("test", 60, 0) == tests_drawn
    assert draw("test", 60, 1) != tests_drawn


def test_draws_hold_distinct_problems_and_the_splits_share_none(tests_drawn: list[Problem]):
    drawn = [*tests_drawn, *draw("calibration", 60, 0), *draw("train", 60, 0)]
    assert len({identity(problem.question) for problem in drawn}) == 3 * 60 * len(LEVELS)


def test_levels_come_in_order_and_are_full(tests_drawn: list[Problem]):
    assert [problem.level for problem in tests_drawn] == [level for level in LEVELS for _ in range(60)]


def test_the_kinds_of_a_level_are_mixed(tests_drawn: list[Problem]):
    kinds = [problem.kind for problem in tests_drawn if problem.level == 5]
    assert sum(one != other for one, other in pairwise(kinds)) > 2 * len(KINDS)


def test_where_there_is_room_the_kinds_have_their_weights(tests_drawn: list[Problem]):
    kinds = Counter(problem.kind for problem in tests_drawn if problem.level == 5)
    assert dict(kinds) == {kind: round(60 * weight) for kind, weight in WEIGHTS.items()}


def test_an_exhausted_kind_leaves_its_share_to_the_others(tests_drawn: list[Problem]):
    kinds = Counter(problem.kind for problem in tests_drawn if problem.level == 1)
    assert kinds["countdown"] == 0
    assert kinds["arithmetic"] > 60 * WEIGHTS["arithmetic"]


def test_a_level_without_enough_fresh_problems_is_an_error(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(splits, "was_seen", lambda _: True)
    monkeypatch.setattr(splits, "_FRUITLESS_DRAWS", 5)
    with pytest.raises(ValueError, match="level 1 has only 0 fresh test problems, not 3"):
        draw("test", 3, 0)


def test_no_problems_can_be_drawn_too():
    assert draw("test", 0, 0) == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("What is 3 + 4?", "Compute 3+4."),
        ("Evaluate (3 + 4) * 5.", "Calculate (3+4)*5."),
        ("Use 3, 5, 7 to make 22.", "Use 7, 3, 5 to make 22."),
    ],
)
def test_another_wording_is_the_same_problem(one: str, other: str):
    assert identity(one) == identity(other)
    assert (split_of(one), seen_hash(one)) == (split_of(other), seen_hash(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("What is 3 + 4?", "What is 4 + 3?"),
        ("What is 3 + 4?", "What is (3 + 4) mod 5?"),
        ("Use 3, 5, 7 to make 22.", "Use 3, 5, 7 to make 26."),
        ("hello", "hello?"),
    ],
)
def test_another_text_is_another_problem(one: str, other: str):
    assert identity(one) != identity(other)


def test_a_sixteenth_is_for_tests_and_a_sixteenth_for_calibration():
    rng = Random(2)
    shares = Counter(split_of(make(rng, "quantities", 5).question) for _ in range(8_000))
    assert shares["test"] / 8_000 == pytest.approx(1 / 16, abs=0.01)
    assert shares["calibration"] / 8_000 == pytest.approx(1 / 16, abs=0.01)


@pytest.mark.parametrize("count", [0, 1, 7, 99, 200])
def test_shares_add_up_and_are_within_one_of_exact(count: int):
    shares = apportion(count, WEIGHTS)
    assert sum(shares.values()) == count
    assert all(abs(shares[kind] - count * WEIGHTS[kind]) < 1 for kind in KINDS)
