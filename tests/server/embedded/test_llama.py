import json
from typing import Any

import numpy as np
import pytest

from server.embedded.checkpoint import load
from server.embedded.llama import Llama
from server.embedded.slab import Slab

from .checkpoints import SIZES, plain_logprobs, random_tensors
from .make_golden import GOLDEN, WEIGHTS, digest

TOKENS = [1, 3, 500, 20, 21, 767, 5, 300, 301, 302, 8, 9, 77]
EXPECTED = plain_logprobs(random_tensors(), SIZES, TOKENS)


def log_softmax(logits: np.ndarray) -> np.ndarray:
    logits = logits - logits.max(-1, keepdims=True)
    return logits - np.log(np.exp(logits).sum(-1, keepdims=True))


def run(model: Llama, slab: Slab, rows: list[list[int]], starts: list[int]) -> np.ndarray:
    """Feed rows, padded on the right with a token that would do harm if it were seen."""
    width = max(map(len, rows))
    slab.reserve(len(rows), max(starts) + width)
    tokens = np.array([row + [666] * (width - len(row)) for row in rows])
    keys, values = slab.keys[:, : len(rows)], slab.values[:, : len(rows)]
    return log_softmax(model.logits(model.forward(tokens, np.array(starts), keys, values)))


def test_one_pass_equals_the_plain_computation(model: Llama):
    found = run(model, Slab(model.config), [TOKENS], [0])[0]
    np.testing.assert_allclose(found, EXPECTED, atol=1e-4)


def test_token_by_token_equals_the_plain_computation(model: Llama):
    slab = Slab(model.config)
    found = [run(model, slab, [[token]], [i])[0, 0] for i, token in enumerate(TOKENS)]
    np.testing.assert_allclose(found, EXPECTED, atol=1e-4)


def test_rows_of_different_lengths_do_not_see_each_other_or_their_padding(model: Llama):
    slab = Slab(model.config)
    first = run(model, slab, [TOKENS[:9], TOKENS[:2], TOKENS[:5]], [0, 0, 0])
    for row, length in enumerate((9, 2, 5)):
        np.testing.assert_allclose(first[row, :length], EXPECTED[:length], atol=1e-4)
    second = run(model, slab, [TOKENS[9:10], TOKENS[2:8], TOKENS[5:13]], [9, 2, 5])
    for row, (start, end) in enumerate(((9, 10), (2, 8), (5, 13))):
        np.testing.assert_allclose(second[row, : end - start], EXPECTED[start:end], atol=1e-4)


def test_padding_may_stand_beyond_the_context(model: Llama):
    slab = Slab(model.config)
    long = (TOKENS * 8)[: model.config.context]
    run(model, slab, [long[:-1], TOKENS[:1]], [0, 0])
    found = run(model, slab, [long[-1:], TOKENS[1:]], [len(long) - 1, 1])
    np.testing.assert_allclose(found[0, 0], plain_logprobs(random_tensors(), SIZES, long)[-1], atol=1e-4)
    np.testing.assert_allclose(found[1], EXPECTED[1:], atol=1e-4)


GOLDENS: dict[str, Any] = json.loads(GOLDEN.read_text())


def greedy(model: Llama, prompt: list[int], count: int) -> tuple[list[int], list[float]]:
    slab, ids, logprobs = Slab(model.config), list(prompt), []
    after = run(model, slab, [prompt], [0])[0, -1]
    for _ in range(count):
        ids.append(int(after.argmax()))
        logprobs.append(float(after.max()))
        after = run(model, slab, [ids[-1:]], [len(ids) - 1])[0, 0]
    return ids[len(prompt) :], logprobs


@pytest.mark.parametrize("golden", GOLDENS["random"])
def test_the_random_model_decodes_like_torch(model: Llama, golden: dict[str, Any]):
    ids, logprobs = greedy(model, golden["prompt"], len(golden["ids"]))
    assert ids == golden["ids"]
    np.testing.assert_allclose(logprobs, golden["logprobs"], atol=1e-4)


@pytest.mark.parametrize("name", ["generator", "verifier"])
def test_the_shipped_models_decode_like_torch(name: str):
    assert digest(WEIGHTS / name) == GOLDENS[f"{name} sha256"], "new weights: remake golden.json with make_golden.py"
    model = Llama(load(WEIGHTS / name))
    for golden in GOLDENS[name]:
        ids, logprobs = greedy(model, golden["prompt"], len(golden["ids"]))
        assert ids == golden["ids"]
        np.testing.assert_allclose(logprobs, golden["logprobs"], atol=1e-3)
