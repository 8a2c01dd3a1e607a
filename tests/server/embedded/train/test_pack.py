from random import Random

import numpy as np
import pytest
from tokenizers import Tokenizer

from server.embedded.problems.family import solution
from server.embedded.problems.splits import split_of
from server.embedded.train.pack import TOKENIZER, Example, encode, pack, train_problems


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.from_file(str(TOKENIZER))


def test_the_prompt_is_masked_and_the_whole_solution_is_predicted(tokenizer: Tokenizer):
    problems = list(train_problems(Random(3), 5))
    rows = pack(encode(tokenizer, problems), context=4096)
    predicted = rows.ids[rows.predicted].tolist()
    assert tokenizer.decode(predicted, skip_special_tokens=False) == "".join(
        solution(problem) + "<|eos|>" for problem in problems
    )


def test_what_is_not_predicted_is_the_chat_template_with_the_question(tokenizer: Tokenizer):
    (problem,) = train_problems(Random(4), 1)
    rows = pack(encode(tokenizer, [problem]))
    prompt = rows.ids[0][~rows.predicted[0] & (rows.ids[0] > 0)].tolist()
    assert tokenizer.decode(prompt, skip_special_tokens=False) == f"<|bos|><|user|>{problem.question}<|assistant|>"


def test_no_question_of_the_test_or_calibration_split_is_drawn():
    # One question in eight is held out: without the ban, 400 draws hold one but for a chance of 1e-23.
    assert {split_of(problem.question) for problem in train_problems(Random(5), 400)} == {"train"}


def test_levels_follow_their_weights():
    assert {problem.level for problem in train_problems(Random(6), 50, (0, 0, 0, 1, 0))} == {4}


def test_an_example_is_never_split_between_rows():
    rows = pack([Example([1] * 6, 2), Example([2] * 6, 2), Example([3] * 2, 1)], context=10)
    assert rows.ids.tolist() == [[1] * 6 + [0] * 4, [2] * 6 + [3] * 2 + [0] * 2]


def test_padding_is_never_predicted():
    rows = pack([Example([1, 2, 3], 1)], context=8)
    assert not rows.predicted[rows.ids == 0].any()


def test_an_example_longer_than_a_row_is_left_out():
    rows = pack([Example([1] * 9, 2), Example([2] * 3, 1)], context=8)
    assert set(np.unique(rows.ids)) == {0, 2}
