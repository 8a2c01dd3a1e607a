import json
from typing import Any

import pytest

from server.prm.limits import MOST_ITEMS, MOST_STEPS
from server.prm.ports import HostError, Item, TooLong, Unusable
from server.prm.schemas import parse, reply
from server.prm.scoring import Judged
from server.web.errors import ApiError

GOOD = {"problem": "1 + 1?", "steps": ["It is 2."]}


def body(**fields: Any) -> bytes:
    return json.dumps(fields).encode()


def refused(data: bytes) -> ApiError:
    with pytest.raises(ApiError) as caught:
        parse(data)
    assert caught.value.status == 400
    assert caught.value.object().keys() == {"message", "type", "param", "code"}
    return caught.value


def test_what_is_not_said_has_its_default() -> None:
    request = parse(body(items=[GOOD]))
    assert request.model is None
    assert [i.item() for i in request.items] == [Item("1 + 1?", ("It is 2.",), finished=True, max_tokens=None)]


def test_all_that_can_be_said_is_read_and_the_unknown_is_ignored() -> None:
    item = {"problem": "p", "steps": ["a", "b"], "finished": False, "max_tokens": 9, "colour": "red"}
    request = parse(body(items=[item], model="m", user="me"))
    assert request.model == "m"
    assert request.items[0].item() == Item("p", ("a", "b"), finished=False, max_tokens=9)


@pytest.mark.parametrize(
    ("items", "param"),
    [
        ([], "items"),
        (None, "items"),
        ("x", "items"),
        ([GOOD] * (MOST_ITEMS + 1), "items"),
        ([GOOD, 3], "items[1]"),
        ([{"steps": ["a"]}], "items[0].problem"),
        ([{"problem": None, "steps": ["a"]}], "items[0].problem"),
        ([GOOD, {"problem": "p"}], "items[1].steps"),
        ([{"problem": "p", "steps": []}], "items[0].steps"),
        ([{"problem": "p", "steps": "a\n\nb"}], "items[0].steps"),
        ([{"problem": "p", "steps": ["a"] * (MOST_STEPS + 1)}], "items[0].steps"),
        ([GOOD, {"problem": "p", "steps": ["a", 2]}], "items[1].steps[1]"),
        ([GOOD, {"problem": "p", "steps": ["a", ""]}], "items[1].steps[1]"),
        ([GOOD, {"problem": "p", "steps": [" \n\t", "a"]}], "items[1].steps[0]"),
        ([{**GOOD, "finished": "yes"}], "items[0].finished"),
        ([{**GOOD, "max_tokens": 0}], "items[0].max_tokens"),
        ([{**GOOD, "max_tokens": 2**31}], "items[0].max_tokens"),
        ([{**GOOD, "max_tokens": 1.5}], "items[0].max_tokens"),
    ],
)
def test_the_field_at_fault_is_named(items: Any, param: str) -> None:
    assert refused(body(items=items)).param == param


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"null", b"\xff", b'{"items": NaN}', b"[" * 100_000])
def test_what_is_no_request_is_refused(data: bytes) -> None:
    assert refused(data).message


def test_half_a_character_is_refused() -> None:
    refused(b'{"items": [{"problem": "\\ud800", "steps": ["a"]}]}')


def test_the_largest_request_is_taken() -> None:
    item = {"problem": "p", "steps": ["a"] * MOST_STEPS}
    assert len(parse(body(items=[item] * MOST_ITEMS)).items) == MOST_ITEMS


def test_a_refusal_does_not_repeat_the_request() -> None:
    assert len(refused(body(items=[{"problem": "p", "steps": ["a"], "finished": "x" * 10**6}])).message) < 300


def test_a_reply_has_an_entry_for_each_item_in_order_with_its_tokens() -> None:
    outcomes = [Judged((0.5, 1.0), 10, 4), TooLong(9, 8), ValueError("no <sep> here"), HostError("it choked")]
    content = reply("m", outcomes)
    assert [e["index"] for e in content["data"]] == [0, 1, 2, 3]
    assert content["data"][0] == {"index": 0, "rewards": (0.5, 1.0), "tokens": {"total": 10, "computed": 4}}
    assert content["usage"] == {"total_tokens": 10, "computed_tokens": 4}
    errors = [e["error"] for e in content["data"][1:]]
    assert [(e["code"], e["type"]) for e in errors] == [
        ("context_length_exceeded", "invalid_request_error"),
        ("invalid_item", "invalid_request_error"),
        ("model_failed", "server_error"),
    ]
    assert [e["param"] for e in errors] == ["items[1]", "items[2]", "items[3]"]
    assert errors[0]["message"] == "The item has 9 tokens, at most 8 are allowed."


def test_a_model_that_read_nothing_is_an_error_of_the_whole() -> None:
    with pytest.raises(ApiError, match="it choked") as caught:
        reply("m", [TooLong(9, 8), HostError("it choked")])
    assert caught.value.status == 502


def test_items_that_are_all_too_long_are_each_told_so() -> None:
    assert [e["error"]["code"] for e in reply("m", [TooLong(9, 8)] * 2)["data"]] == ["context_length_exceeded"] * 2


def test_numbers_that_are_no_rewards_are_a_fault_of_their_item_and_not_of_the_model() -> None:
    (entry,) = reply("m", [Unusable("they are not finite")])["data"]
    assert entry["error"]["code"] == "model_failed"
