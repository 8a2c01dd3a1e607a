import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from server.prm.hosts import heads, proof
from server.prm.hosts.heads import Model, load
from server.prm.ports import ClassLogits, Head, HostError, TokenLogits, TokenLogprobs

CPU = torch.device("cpu")
Folder = Callable[[str], Path]


def loaded(folder: Path, head: Head) -> Model:
    return load(str(folder), head, CPU, torch.float32)


def renamed(folder: Path, target: Path, architecture: str) -> Path:
    shutil.copytree(folder, target)
    config = json.loads((target / "config.json").read_text())
    (target / "config.json").write_text(json.dumps(config | {"architectures": [architecture]}))
    return target


def with_weights(folder: Path, **weights: torch.Tensor) -> Path:
    path = folder / "model.safetensors"
    kept = {name: tensor for name, tensor in load_file(path).items() if not name.startswith("score")}
    save_file(kept | weights, path, {"format": "pt"})
    return folder


def test_a_checkpoint_without_its_head_is_refused(made: Folder, tmp_path: Path) -> None:
    folder = with_weights(shutil.copytree(made("qwen"), tmp_path / "model"))
    with pytest.raises(HostError, match=r"lacks score\.0\.bias"):
        loaded(folder, ClassLogits())


def test_a_classifier_has_no_words(made: Folder) -> None:
    with pytest.raises(HostError, match=r"lacks lm_head\.weight"):
        loaded(made("qwen"), TokenLogits((1, 2)))


def test_a_language_model_has_no_scores(made: Folder) -> None:
    with pytest.raises(HostError, match="MistralForCausalLM has no head"):
        loaded(made("shepherd"), ClassLogits())


def test_a_folder_that_is_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="cannot load"):
        loaded(tmp_path, ClassLogits())


def test_a_token_outside_the_vocabulary_is_refused(made: Folder) -> None:
    with pytest.raises(HostError, match="token 9999 is outside the vocabulary"):
        loaded(made("shepherd"), TokenLogits((1, 9999)))


def test_trls_token_classifier_has_a_bias(made: Folder, tmp_path: Path) -> None:
    folder = renamed(made("qwen"), tmp_path / "model", "Qwen2ForTokenClassification")
    weight, bias = torch.randn(2, 128), torch.tensor([1.0, -1.0])
    model = loaded(with_weights(folder, **{"score.weight": weight, "score.bias": bias}), ClassLogits())
    hidden = torch.randn(3, 128)
    values = model.readout.values(hidden, torch.zeros(3, dtype=torch.long))
    assert torch.allclose(values, hidden @ weight.T + bias, atol=1e-5)


def test_qwens_outcome_model_has_one_score_whatever_it_says(made: Folder, tmp_path: Path) -> None:
    folder = renamed(made("qwen"), tmp_path / "model", "Qwen2ForRewardModel")
    weights = {name: tensor for name, tensor in load_file(folder / "model.safetensors").items() if "score.0" in name}
    weights |= {"score.2.weight": torch.randn(1, 128), "score.2.bias": torch.zeros(1)}
    assert loaded(with_weights(folder, **weights), ClassLogits()).readout.width == 1


def test_a_language_models_bias_counts(made: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    model = loaded(made("shepherd"), TokenLogits((5, 6)))
    hidden, tokens = torch.randn(3, 128), torch.zeros(3, dtype=torch.long)
    plain = model.readout.values(hidden, tokens)
    model.whole.lm_head.bias = nn.Parameter(torch.full((model.whole.lm_head.out_features,), 2.0))
    monkeypatch.setattr(heads, "_CHUNK", 2)
    readout = heads._readout(model.whole, TokenLogits((5, 6)))
    assert torch.allclose(readout.values(hidden, tokens), plain + 2.0, atol=1e-5)


def test_log_probabilities_are_the_same_however_they_are_chunked(made: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    model = loaded(made("implicit"), TokenLogprobs())
    hidden, tokens = torch.randn(7, 128), torch.arange(7)
    whole = model.readout.values(hidden, tokens)
    monkeypatch.setattr(heads, "_CHUNK", 2)
    assert torch.allclose(model.readout.values(hidden, tokens), whole, atol=1e-6)
    assert whole.exp().sum() < 7
    assert torch.allclose(whole[:, 0], model.logits(hidden).log_softmax(-1)[range(7), range(7)], atol=1e-6)


def test_no_code_of_a_checkpoint_is_run(made: Folder, tmp_path: Path) -> None:
    folder = shutil.copytree(made("qwen"), tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    config["auto_map"] = {"AutoConfig": "evil.Config", "AutoModel": "evil.Model"}  # as the real one has it
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "evil.py").write_text("raise SystemExit('it ran')")
    assert loaded(folder, ClassLogits()).readout.width == 2


@torch.inference_mode()
def test_an_attention_that_does_not_heed_the_mask_is_found_out(made: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    model = loaded(made("qwen"), ClassLogits())
    real = model.decoder.forward

    def heedless(**arguments: Any) -> Any:
        return real(**arguments | {"attention_mask": None})

    proof.prove(model)
    monkeypatch.setattr(model.decoder, "forward", heedless)
    with pytest.raises(HostError, match="cannot be shared"):
        proof.prove(model)


@torch.inference_mode()
def test_logits_that_are_changed_after_the_last_layer_are_found_out(
    made: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = loaded(made("implicit"), TokenLogprobs())
    proof.prove(model)
    real = model.whole.forward

    def capped(**arguments: Any) -> Any:
        output = real(**arguments)
        output.logits = 3.0 * torch.tanh(output.logits / 3.0)
        return output

    monkeypatch.setattr(model.whole, "forward", capped)
    with pytest.raises(HostError, match="after its last layer"):
        proof.prove(model)
