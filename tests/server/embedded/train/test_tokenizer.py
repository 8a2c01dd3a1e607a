import pytest
from tokenizers import Tokenizer

from server.embedded.train.tokenizer import SPECIAL, texts_of, train_tokenizer


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return train_tokenizer(texts_of(300, seed=1))


def test_the_special_tokens_come_first(tokenizer: Tokenizer):
    assert [tokenizer.token_to_id(name) for name in SPECIAL] == list(range(8))


def test_a_step_boundary_is_one_token(tokenizer: Tokenizer):
    blank = tokenizer.encode("\n\n").ids
    assert len(blank) == 1
    parts = ["## Step 1: 12 + 3 = 15.", "## Step 2: 15 * 2 = 30."]
    ids = [tokenizer.encode(part).ids for part in parts]
    assert tokenizer.encode("\n\n".join(parts)).ids == ids[0] + blank + ids[1]


def test_every_digit_is_a_token(tokenizer: Tokenizer):
    assert tokenizer.encode("90210").tokens == list("90210")


def test_any_text_survives_encoding(tokenizer: Tokenizer):
    text = "π ≈ 3.14 – naïve 数"
    assert tokenizer.decode(tokenizer.encode(text).ids) == text
