from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from server.embedded.checkpoint import load as load_engine  # noqa: E402
from server.embedded.llama import Llama as Engine  # noqa: E402
from server.embedded.train import model as torch_model  # noqa: E402
from server.embedded.train.muon import Muon, orthogonalised  # noqa: E402
from server.embedded.train.pretrain import loss_of, rate_factor  # noqa: E402

WEIGHTS = Path(torch_model.__file__).parents[1] / "weights"
TINY = torch_model.Shape(32, 2, 2, 1, 48)


def test_the_engine_and_the_trained_model_compute_the_same_logits():
    ids = torch.randint(8, 768, (2, 20), generator=torch.Generator().manual_seed(0))
    expected = torch_model.load(WEIGHTS / "generator")
    with torch.no_grad():
        logits = expected.logits(expected(ids)).numpy()
    engine = Engine(load_engine(WEIGHTS / "generator"))
    c = engine.config
    cache = np.zeros((2, c.layers, 2, c.kv_heads, 20, c.head_dim), np.float32)
    hidden = engine.forward(ids.numpy(), np.zeros(2, np.int64), cache[0], cache[1])
    assert np.abs(engine.logits(hidden) - logits).max() < 1e-3


def test_a_checkpoint_is_read_as_it_was_written(tmp_path: Path):
    torch.manual_seed(0)
    written = torch_model.Llama(TINY)
    torch_model.save(written, tmp_path / "tiny", WEIGHTS / "generator")
    read = torch_model.load(tmp_path / "tiny")
    for before, after in zip(written.parameters(), read.parameters(), strict=True):
        assert torch.equal(before.bfloat16().float(), after)
    assert (tmp_path / "tiny" / "tokenizer.json").is_file()


def test_only_predicted_tokens_make_the_loss():
    torch.manual_seed(0)
    model = torch_model.Llama(TINY)
    ids = torch.randint(8, 768, (1, 12))
    predicted = torch.zeros(1, 12, dtype=torch.bool)
    predicted[0, 4:8] = True
    elsewhere = ids.clone()
    elsewhere[0, 8:] = 9
    assert loss_of(model, ids, predicted).item() == loss_of(model, elsewhere, predicted).item()


def test_a_few_steps_learn_a_row_by_heart():
    torch.manual_seed(0)
    model = torch_model.Llama(TINY)
    optimiser = Muon(model)
    ids = torch.randint(8, 768, (1, 24))
    predicted = torch.ones(1, 24, dtype=torch.bool)
    before = loss_of(model, ids, predicted).item()
    for _ in range(30):
        loss_of(model, ids, predicted).backward()
        optimiser.step(1e-2)
    assert loss_of(model, ids, predicted).item() < before / 4


def test_updates_are_nearly_orthogonal():
    torch.manual_seed(0)
    values = torch.linalg.svdvals(orthogonalised(torch.randn(2, 24, 40)))
    assert values.min() > 0.4
    assert values.max() < 1.5


def test_the_rate_warms_up_and_ends_at_zero():
    assert rate_factor(0, 0.0) < 0.05
    assert rate_factor(100, 0.5) == 0.5
    assert rate_factor(100, 1.0) == 0.0
