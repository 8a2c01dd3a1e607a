import numpy as np
import pytest

from server.embedded.sampling import draw, log_probabilities, seed_word, uniform

ROWS = 20_000


def shares(rows: int = ROWS) -> np.ndarray:
    return uniform(np.arange(rows, dtype=np.uint64), np.zeros(rows, np.int64))


def frequencies(logits: np.ndarray, temperature: float, top_p: float) -> np.ndarray:
    rows = np.tile(logits.astype(np.float32), (ROWS, 1))
    tokens = draw(rows, np.full(ROWS, temperature), np.full(ROWS, top_p), shares())
    return np.bincount(tokens, minlength=logits.size) / ROWS


def softmax(logits: np.ndarray) -> np.ndarray:
    return np.exp(logits) / np.exp(logits).sum()


LOGITS = np.log(np.array([0.5, 0.25, 0.15, 0.1]))


def test_the_sequence_of_a_row_depends_on_its_own_seed_alone():
    alone = uniform(np.array([7], np.uint64), np.array([3]))
    among = uniform(np.array([1, 7, 2**63], np.uint64), np.array([0, 3, 9]))
    assert alone[0] == among[1]


def test_numbers_are_spread_evenly_over_seeds_and_over_time():
    over_seeds = shares()
    over_time = uniform(np.zeros(ROWS, np.uint64), np.arange(ROWS))
    for numbers in (over_seeds, over_time):
        assert numbers.min() > 0.0
        assert numbers.max() < 1.0
        bins = np.histogram(numbers, 100, (0.0, 1.0))[0]
        assert ((bins - ROWS / 100) ** 2 / (ROWS / 100)).sum() < 150  # chi-square, 99 degrees: p = 0.0007
    assert abs(np.corrcoef(over_seeds[:-1], over_seeds[1:])[0, 1]) < 0.03
    assert abs(np.corrcoef(over_seeds, over_time)[0, 1]) < 0.03


def test_the_sequence_of_no_seed_is_that_of_another_shifted():
    step = 0x9E3779B97F4A7C15
    ahead = uniform(np.array([5], np.uint64), np.arange(1, 9))
    other = uniform(np.array([(5 + step) % 2**64], np.uint64), np.arange(8))
    assert not (ahead == other).any()


@pytest.mark.parametrize("seed", [0, -1, 2**64 + 5, -(2**70)])
def test_any_integer_is_a_seed(seed: int):
    assert 0 <= seed_word(seed) < 2**64
    assert seed_word(seed) == seed_word(seed + 2**64)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_tokens_come_as_often_as_their_probability_says(temperature: float):
    expected = softmax(LOGITS / temperature)
    np.testing.assert_allclose(frequencies(LOGITS, temperature, 1.0), expected, atol=0.015)


def test_a_nucleus_keeps_the_likeliest_tokens_and_their_proportions():
    np.testing.assert_allclose(frequencies(LOGITS, 1.0, 0.7), [2 / 3, 1 / 3, 0, 0], atol=0.015)


def test_the_smallest_nucleus_is_the_likeliest_token():
    assert frequencies(LOGITS[::-1].copy(), 1.0, 0.0).tolist() == [0, 0, 0, 1]


def test_a_banned_token_is_never_drawn_even_when_it_is_first_or_last():
    logits = np.array([-np.inf, 0.0, 0.0, -np.inf])
    found = frequencies(logits, 1.0, 1.0)
    assert found[0] == found[3] == 0


@pytest.mark.parametrize("share", [2.0**-24, 1.0 - 2.0**-24])
def test_the_extreme_shares_draw_possible_tokens(share: float):
    logits = np.full((1, 768), -np.inf, np.float32)
    logits[0, 100:600] = np.linspace(-20, 3, 500)
    token = draw(logits, np.ones(1), np.ones(1), np.array([share], np.float32))[0]
    assert 100 <= token < 600


def test_rows_are_mixed_freely():
    rows = np.tile(LOGITS.astype(np.float32), (3, 1))
    tokens = draw(rows, np.array([0.0, 1.0, 1.0]), np.array([1.0, 1.0, 0.1]), np.array([0.99, 0.99, 0.99], np.float32))
    assert tokens.tolist() == [0, 3, 0]


def test_log_probabilities_are_those_of_the_softmax():
    rows = np.tile(LOGITS.astype(np.float32) + 50, (4, 1))
    np.testing.assert_allclose(log_probabilities(rows, np.arange(4)), LOGITS, atol=1e-5)
