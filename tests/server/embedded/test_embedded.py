import shutil
from pathlib import Path

import pytest

from router.types import Message, Problem
from server.embedded import CheckpointError, Embedded, fingerprint, load


@pytest.mark.parametrize("question", ["What is 7 + 8?", "whats 7+8"])
async def test_a_known_question_needs_no_notice(embedded: Embedded, question: str):
    assert embedded.notice(Problem((Message("user", question),))) is None


@pytest.mark.parametrize("question", ["Who wrote Faust?", "", "What is 7 + 8?" + " " * 5000])
async def test_an_unknown_question_gets_a_notice(embedded: Embedded, question: str):
    notice = embedded.notice(Problem((Message("user", question),)))
    assert notice is not None
    assert notice.startswith("The embedded model only knows")


def test_weights_may_stand_elsewhere(tmp_path: Path, weights: Path):
    shutil.copytree(weights, tmp_path / "weights")
    assert load(tmp_path / "weights").scorer.ratio > 1.0


def test_missing_weights_are_named(tmp_path: Path):
    with pytest.raises(CheckpointError, match="generator"):
        load(tmp_path)


def test_models_with_different_tokenizers_are_refused(tmp_path: Path, weights: Path):
    shutil.copytree(weights, tmp_path / "weights")
    path = tmp_path / "weights" / "verifier" / "tokenizer_config.json"
    path.write_text(path.read_text().replace('"eos_token": "<|eos|>"', '"eos_token": "<|pad|>"'))
    with pytest.raises(CheckpointError, match="share one tokenizer"):
        load(tmp_path / "weights")


def test_the_fingerprint_changes_with_the_weights(tmp_path: Path, weights: Path):
    shutil.copytree(weights, tmp_path / "weights")
    assert fingerprint(tmp_path / "weights") == fingerprint()
    calibration = tmp_path / "weights" / "verifier" / "calibration.json"
    calibration.write_text(calibration.read_text() + " ")
    assert fingerprint(tmp_path / "weights") != fingerprint()
