import orjson
import pytest

from server.generators.reply import Piece, read
from server.upstream import Busy, Failed, Refused, Unreachable


def payload(**fields: object) -> bytes:
    return orjson.dumps(fields)


def test_vllms_chunk_is_understood():
    chunk = {"index": 1, "text": "a\n\n", "finish_reason": "stop", "stop_reason": "\n\n", "token_ids": [5, 6]}
    assert read(payload(choices=[chunk])).pieces == [Piece(1, "a\n\n", 2, [5, 6], "stop", "\n\n")]


def test_llama_cpps_own_fields_are_understood():
    verbose = {"tokens": [7], "stop": True, "stop_type": "word", "stopping_word": "\n\n"}
    chunk = {"index": 0, "text": "", "finish_reason": "stop", "logprobs": None}
    assert read(payload(choices=[chunk], __verbose=verbose)).pieces == [Piece(0, "", 1, [7], "stop", "\n\n")]
    going_on = {"tokens": [275], "stop": False}
    chunk = {"index": 0, "text": "a", "finish_reason": None}
    assert read(payload(choices=[chunk], __verbose=going_on)).pieces == [Piece(0, "a", 1, [275])]


def test_a_conversations_chunk_is_understood():
    assert read(payload(choices=[{"delta": {"role": "assistant", "content": None}}])).pieces == [Piece(0, "", 0)]
    assert read(payload(choices=[{"index": 0, "delta": {"content": "a"}}])).pieces == [Piece(0, "a", 1)]
    assert read(payload(choices=[{"index": 0, "delta": {}, "finish_reason": "length"}])).pieces[0].finish == "length"


def test_thinking_that_is_kept_apart_counts_and_is_no_text():
    assert read(payload(choices=[{"delta": {"reasoning_content": "hm"}}])).pieces == [Piece(0, "", 1)]


def test_the_count_of_a_call_is_read():
    assert read(payload(choices=[], usage={"completion_tokens": 9})).generated == 9
    assert read(payload(choices=[], usage=None)).generated is None


@pytest.mark.parametrize("count", [0, -5, None, "many", 1.5, True])
def test_a_count_that_counts_nothing_is_none(count: object):
    assert read(payload(choices=[], usage={"completion_tokens": count})).generated is None


@pytest.mark.parametrize("usage", [{"total_tokens": 9}, {}, [], "9", 9])
def test_usage_without_a_count_is_none(usage: object):
    assert read(payload(choices=[], usage=usage)).generated is None


def test_a_whole_body_shares_its_tokens_by_length():
    choices = [{"index": 0, "message": {"content": "x" * 30}}, {"index": 1, "message": {"content": "x" * 10}}]
    reply = read(payload(choices=choices, usage={"completion_tokens": 12}), whole=True)
    assert [piece.tokens for piece in reply.pieces] == [9, 3]
    reply = read(payload(choices=choices), whole=True)
    assert [piece.tokens for piece in reply.pieces] == [8, 2]
    empty = read(payload(choices=[{"text": ""}], usage={"completion_tokens": 0}), whole=True)
    assert [piece.tokens for piece in empty.pieces] == [0]


def test_both_forms_of_log_probabilities_become_one():
    listed = {"tokens": ["a", "\ufffd"], "token_logprobs": [-1.0, -2.0], "top_logprobs": [{"b": -3.0, "a": -1.0}, None]}
    first, second = read(payload(choices=[{"text": "a", "logprobs": listed}])).pieces[0].logprobs
    assert first["top_logprobs"] == [
        {"token": "a", "logprob": -1.0, "bytes": [97]},
        {"token": "b", "logprob": -3.0, "bytes": [98]},
    ]
    assert (second["bytes"], second["top_logprobs"]) == (None, [])
    chat = {"content": [{"token": "a", "logprob": -1.0, "bytes": [97], "top_logprobs": []}]}
    assert read(payload(choices=[{"text": "a", "logprobs": chat}])).pieces[0].logprobs == tuple(chat["content"])
    without = {"tokens": ["a"], "token_logprobs": [-1.0]}
    assert len(read(payload(choices=[{"text": "a", "logprobs": without}])).pieces[0].logprobs) == 1


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"<html>",
        b"[]",
        b"3",
        b'{"choices": 3}',
        b'{"choices": [3]}',
        b'{"choices": [{"text": 3}]}',
        b'{"choices": [{"text": "", "index": "x"}]}',
        b'{"choices": [{"text": "", "token_ids": "x"}]}',
        b'{"choices": [{"text": "", "finish_reason": 3}]}',
        b'{"choices": [{"text": "", "logprobs": {"tokens": 3}}]}',
        b'{"choices": [{"text": "", "logprobs": {"content": [3]}}]}',
        b'{"choices": [{"text": "", "token_ids": ["a"]}]}',
        b'{"choices": [{"text": "", "token_ids": [true]}]}',
        b'{"choices": [{"text": "", "token_ids": [1.5]}]}',
        b'{"choices": [{"text": "", "logprobs": {"content": [{"logprob": "NaN"}]}}]}',
        b'{"choices": [{"text": "", "logprobs": {"content": [{"logprob": -1.0, "top_logprobs": 5}]}}]}',
        b'{"choices": [{"text": "", "logprobs": {"tokens": ["a"], "token_logprobs": ["b"]}}]}',
    ],
)
@pytest.mark.parametrize("whole", [True, False])
def test_what_makes_no_sense_is_said_to(reply: bytes, whole: bool):
    with pytest.raises(Unreachable, match="no sense"):
        read(reply, whole=whole)


def test_an_error_inside_a_stream_is_as_good_as_a_status():
    with pytest.raises(Busy, match="slow down"):
        read(payload(error={"message": "slow down", "code": 429}))
    with pytest.raises(Failed) as failed:
        read(payload(error={"message": "Wrong key: sk-abc", "code": 401}))
    assert "sk-abc" not in str(failed.value)


def test_an_error_inside_a_stream_is_one():
    with pytest.raises(Failed, match="500: broken"):
        read(payload(error={"message": "broken"}))
    with pytest.raises(Failed, match="broken"):
        read(payload(error="broken"))
    with pytest.raises(Refused) as caught:
        read(payload(error={"message": "too many", "code": 400, "param": "n"}))
    assert caught.value.param == "n"
