import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.generators import sse
from server.generators.sse import Events, EventTooLarge

LINE = st.text(st.characters(blacklist_characters="\r\n", blacklist_categories=["Cs"]), max_size=12)


def fed(*pieces: bytes) -> list[bytes]:
    events = Events()
    return [data for piece in pieces for data in events.feed(piece)]


@settings(deadline=None)
@given(
    events=st.lists(st.lists(LINE, min_size=1, max_size=3), max_size=6),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    cuts=st.lists(st.integers(0, 400), max_size=12),
    comment=st.booleans(),
)
def test_any_stream_in_any_pieces_gives_its_events(events: list[list[str]], end: str, cuts: list[int], comment: bool):
    lines = list[str]()
    for event in events:
        lines += [": ping"] * comment + [f"data: {line}" for line in event] + ["id: 1"] * comment + [""]
    stream = "".join(line + end for line in lines).encode()
    edges = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    pieces = [stream[a:b] for a, b in itertools.pairwise(edges)]
    assert fed(*pieces) == ["\n".join(event).encode() for event in events]


@settings(deadline=None)
@given(st.binary(max_size=200), st.integers(0, 200))
def test_garbage_is_read_the_same_in_one_piece_and_in_two(garbage: bytes, cut: int):
    assert fed(garbage[:cut], garbage[cut:]) == fed(garbage)


def test_a_blank_after_the_colon_is_left_out_once():
    assert fed(b"data:x\n\ndata:  y\n\ndata\n\n") == [b"x", b" y", b""]


def test_comments_and_other_fields_are_no_events():
    assert fed(b": ping\n\nevent: x\n\nretry: 5\n\n\n\ndata: [DONE]\n\n") == [sse.DONE]


def test_what_is_cut_off_at_the_end_is_no_event():
    assert fed(b"data: x\n\ndata: y", b"\n") == [b"x"]


def test_a_byte_order_mark_is_left_out():
    assert fed(b"\xef", b"\xbb\xbf", b"data: x\n\n") == [b"x"]
    assert fed(b"", b"data: x\r", b"", b"\n\r\n") == [b"x"]


def test_line_ends_of_two_bytes_may_be_split():
    assert fed(b"data: x\r", b"\n\r", b"\n", b"", b"data: y\r\n\r\n") == [b"x", b"y"]


def test_a_stream_without_events_is_not_kept_forever(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sse, "LARGEST", 100)
    events = Events()
    events.feed(b"x" * 80)
    with pytest.raises(EventTooLarge):
        events.feed(b"x" * 80)
