import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from server.prm.relabel import relabel

HEAD = {
    "v_head.summary.weight": np.arange(8, dtype=np.float32).reshape(1, 8),
    "v_head.summary.bias": np.ones(1, np.float32),
}
BODY = {"model.norm.weight": np.arange(8, dtype=np.float32), "lm_head.weight": np.ones((3, 8), np.float16)}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "skywork"
    folder.mkdir()
    config = {"architectures": ["Qwen2ForPrmModel"], "auto_map": {"AutoModel": "x.Y"}, "hidden_size": 8}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "tokenizer.json").write_text("{}")
    (folder / "notes").mkdir()
    return folder


def test_the_value_head_becomes_a_classifiers_head_and_nothing_else_changes(source: Path, tmp_path: Path) -> None:
    save_file({**BODY, **HEAD}, source / "model.safetensors")
    relabel(source, tmp_path / "new")
    tensors = load_file(tmp_path / "new" / "model.safetensors")
    expected = {**BODY, "score.weight": HEAD["v_head.summary.weight"], "score.bias": HEAD["v_head.summary.bias"]}
    assert tensors.keys() == expected.keys()
    assert all(np.array_equal(tensors[name], expected[name]) for name in expected)


def test_the_configuration_names_a_classifier_of_one_label(source: Path, tmp_path: Path) -> None:
    save_file(HEAD, source / "model.safetensors")
    relabel(source, tmp_path / "new")
    config = json.loads((tmp_path / "new" / "config.json").read_text())
    assert config["architectures"] == ["Qwen2ForSequenceClassification"]
    assert (config["num_labels"], len(config["id2label"]), config["hidden_size"]) == (1, 1, 8)
    assert "auto_map" not in config


def test_only_the_file_with_the_head_is_written_anew(source: Path, tmp_path: Path) -> None:
    save_file(BODY, source / "model-1.safetensors")
    save_file(HEAD, source / "model-2.safetensors")
    weights = dict.fromkeys(BODY, "model-1.safetensors") | dict.fromkeys(HEAD, "model-2.safetensors")
    (source / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": weights}))
    relabel(source, new := tmp_path / "new")
    assert {path.name for path in new.iterdir() if path.is_symlink()} == {"model-1.safetensors", "tokenizer.json"}
    index = json.loads((new / "model.safetensors.index.json").read_text())["weight_map"]
    assert index["score.weight"] == "model-2.safetensors"
    for name, file in index.items():
        assert name in load_file(new / file)


def test_a_checkpoint_without_such_a_head_is_refused_and_nothing_is_written(source: Path, tmp_path: Path) -> None:
    save_file(BODY, source / "model.safetensors")
    with pytest.raises(ValueError, match="no v_head"):
        relabel(source, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_checkpoint_that_is_none_is_refused(source: Path, tmp_path: Path) -> None:
    (source / "model.safetensors").write_bytes(b"\x80" * 32)
    with pytest.raises(ValueError, match="no file of safetensors"):
        relabel(source, tmp_path / "new")
    (source / "config.json").write_text("{}")
    with pytest.raises(ValueError, match="names no architecture"):
        relabel(source, tmp_path / "new")


def test_a_folder_that_exists_is_left_alone(source: Path, tmp_path: Path) -> None:
    save_file(HEAD, source / "model.safetensors")
    with pytest.raises(FileExistsError):
        relabel(source, tmp_path)


def test_it_is_a_command(source: Path, tmp_path: Path) -> None:
    save_file(HEAD, source / "model.safetensors")
    command = [sys.executable, "-m", "server.prm.relabel"]
    assert "usage" in subprocess.run(command, capture_output=True, text=True, check=False).stderr
    missing = subprocess.run([*command, tmp_path / "x", tmp_path / "new"], capture_output=True, text=True, check=False)
    assert missing.returncode == 1
    assert "No such file" in missing.stderr.splitlines()[0]
    subprocess.run([*command, source, tmp_path / "new"], check=True)
    assert load_file(tmp_path / "new" / "model.safetensors").keys() == {"score.weight", "score.bias"}
