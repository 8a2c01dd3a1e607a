import numpy as np
import pytest

from server.embedded import decoding, scoring
from server.embedded.llama import Llama
from server.embedded.orders import Passage, ScoreOrder
from server.embedded.prefixes import PrefixTree
from server.embedded.scoring import Scoring
from server.embedded.slab import Slab

from .decoders import REQUEST, Bench


def filled(model: Llama, rows: int, length: int) -> Slab:
    slab = Slab(model.config)
    slab.reserve(rows, length)
    slab.keys[...] = np.random.default_rng(0).standard_normal(slab.keys.shape)
    slab.values[...] = -slab.keys
    return slab


def test_growing_keeps_what_is_there(model: Llama):
    slab = filled(model, 3, 10)
    before = slab.keys.copy()
    slab.reserve(5, 100)
    assert slab.keys.shape[1] >= 5
    assert slab.keys.shape[3] >= 100
    np.testing.assert_array_equal(slab.keys[:, :3, :, : before.shape[3]], before)
    np.testing.assert_array_equal(slab.values, -slab.keys)


def test_reserving_less_changes_nothing(model: Llama):
    slab = filled(model, 4, 64)
    keys = slab.keys
    slab.reserve(2, 30)
    assert slab.keys is keys


def test_a_fork_copies_the_beginning_of_a_row(model: Llama):
    slab = filled(model, 4, 64)
    before = slab.keys.copy()
    slab.fork(0, slice(2, 4), 7)
    for row in (2, 3):
        np.testing.assert_array_equal(slab.keys[:, row, :, :7], before[:, 0, :, :7])
        np.testing.assert_array_equal(slab.keys[:, row, :, 7:], before[:, row, :, 7:])
    np.testing.assert_array_equal(slab.values, -slab.keys)


def test_a_move_copies_rows_pairwise(model: Llama):
    slab = filled(model, 6, 64)
    before = slab.keys.copy()
    slab.move(np.array([4, 5]), np.array([2, 0]), 9)
    np.testing.assert_array_equal(slab.keys[:, 2, :, :9], before[:, 4, :, :9])
    np.testing.assert_array_equal(slab.keys[:, 0, :, :9], before[:, 5, :, :9])
    np.testing.assert_array_equal(slab.values, -slab.keys)


def test_released_memory_is_given_back(model: Llama):
    slab = filled(model, 4, 64)
    assert slab.nbytes > 0
    slab.release()
    assert slab.nbytes == 0


def test_an_idle_engine_keeps_no_large_slab(model: Llama, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(decoding, "_IDLE_BYTES", 0)
    monkeypatch.setattr(scoring, "_IDLE_BYTES", 0)
    bench = Bench(model)
    bench.run(REQUEST)
    judge = Scoring(model, PrefixTree(0))
    judge.submit(ScoreOrder((Passage((1, 2, 3), 1),)))
    judge.step()
    assert bench.decoder._slab.nbytes == judge._slab.nbytes == 0
    bench.run(REQUEST)
    assert len(bench.done) == 2
