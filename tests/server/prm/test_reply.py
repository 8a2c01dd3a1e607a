import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.prm.reply import Garbled, read_reply

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["data", "index", "rewards", "error", "message", "usage", "computed_tokens"]), inner
        )
    ),
)
entry = st.fixed_dictionaries(
    {"index": st.just(0) | anything, "rewards": st.lists(st.floats(-0.5, 1.5) | anything, max_size=3) | anything},
    optional={"error": anything},
)
reply = st.fixed_dictionaries(
    {
        "data": st.lists(entry | anything, max_size=2),
        "usage": st.fixed_dictionaries({"computed_tokens": st.integers(-2, 9)}),
    }
)


@given(st.one_of(reply, anything).map(lambda value: json.dumps(value).encode()) | st.binary(max_size=40))
def test_whatever_comes_is_rewards_in_their_range_or_garbled(data: bytes) -> None:
    try:
        answer = read_reply(data, [2], 5)
    except Garbled:
        return
    (rewards,) = answer.entries
    assert 0 <= answer.computed <= 5
    assert isinstance(rewards, str) or (len(rewards) == 2 and all(0.0 <= r <= 1.0 for r in rewards))


def test_depth_without_end_is_garbled() -> None:
    with pytest.raises(Garbled):
        read_reply(b"[" * 100_000, [1], 5)
