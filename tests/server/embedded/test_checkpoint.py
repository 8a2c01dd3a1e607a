import json
from pathlib import Path

import numpy as np
import pytest
from safetensors import TensorSpec, serialize_file

from server.embedded.checkpoint import CheckpointError, load

from .checkpoints import Tensors, random_tensors, write_checkpoint


def save_as_bfloat16(path: Path, tensors: Tensors) -> None:
    upper = {name: (t.view(np.uint32) >> 16).astype(np.uint16) for name, t in tensors.items()}
    specs = {
        name: TensorSpec(dtype="bfloat16", shape=list(t.shape), data_ptr=t.ctypes.data, data_len=t.nbytes)
        for name, t in upper.items()
    }
    serialize_file(specs, path)


def test_the_parameters_of_a_tied_model_are_counted_once(tmp_path: Path):
    tensors = random_tensors()
    checkpoint = load(write_checkpoint(tmp_path, tensors))
    assert checkpoint.parameters == sum(tensor.size for tensor in tensors.values())
    assert checkpoint.head.shape == (32, 768)


def test_bfloat16_becomes_the_float32_it_abbreviates(tmp_path: Path):
    tensors = random_tensors()
    folder = write_checkpoint(tmp_path, tensors)
    save_as_bfloat16(folder / "model.safetensors", tensors)
    expected = (tensors["model.embed_tokens.weight"].view(np.uint32) & 0xFFFF0000).view(np.float32)
    np.testing.assert_array_equal(load(folder).embedding, expected)


def test_float16_is_widened(tmp_path: Path):
    halves = {name: tensor.astype(np.float16) for name, tensor in random_tensors().items()}
    checkpoint = load(write_checkpoint(tmp_path, halves))
    assert checkpoint.embedding.dtype == np.float32
    np.testing.assert_array_equal(checkpoint.embedding, halves["model.embed_tokens.weight"].astype(np.float32))


def test_a_head_of_its_own_is_used(tmp_path: Path):
    tensors = random_tensors(tied=False)
    checkpoint = load(write_checkpoint(tmp_path, tensors))
    np.testing.assert_allclose(checkpoint.head, (tensors["lm_head.weight"] * tensors["model.norm.weight"]).T, rtol=1e-6)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_type": "gpt2"}, "only 'llama'"),
        ({"rope_scaling": {"type": "linear"}}, "rope_scaling is not supported"),
        ({"hidden_size": "many"}, "unusable entry"),
        ({"intermediate_size": 40}, "the configuration says"),
        ({"num_hidden_layers": 3}, r"no tensor 'model\.layers\.2"),
    ],
)
def test_a_configuration_that_does_not_fit_is_named(tmp_path: Path, changes: dict[str, object], message: str):
    folder = write_checkpoint(tmp_path, random_tensors(), **changes)
    with pytest.raises(CheckpointError, match=message):
        load(folder)


def test_a_missing_entry_is_named(tmp_path: Path):
    folder = write_checkpoint(tmp_path, random_tensors())
    config = json.loads((folder / "config.json").read_text())
    del config["vocab_size"]
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match="vocab_size"):
        load(folder)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_missing_or_broken_file_is_named(tmp_path: Path, name: str):
    folder = write_checkpoint(tmp_path, random_tensors())
    (folder / name).write_bytes(b"\xff{")
    with pytest.raises(CheckpointError, match=name):
        load(folder)
    (folder / name).unlink()
    with pytest.raises(CheckpointError, match=name):
        load(folder)


def test_integer_weights_are_refused(tmp_path: Path):
    tensors = random_tensors() | {"model.norm.weight": np.ones(32, np.int32)}
    with pytest.raises(CheckpointError, match="unsupported type I32"):
        load(write_checkpoint(tmp_path, tensors))
