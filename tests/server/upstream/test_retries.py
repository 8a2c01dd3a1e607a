from hypothesis import given, settings
from hypothesis import strategies as st

from server.upstream.retries import Retries

from .conftest import Hands


def drain(retries: Retries) -> int:
    taken = 0
    while retries.take():
        taken += 1
    return taken


def test_a_quiet_pool_has_three_retries_and_gets_them_back_in_ten_seconds(clock: Hands):
    retries = Retries(0.2, clock)
    assert drain(retries) == 3
    clock.now += 5
    assert drain(retries) == 1
    clock.now += 1000
    assert drain(retries) == 3


def test_a_busy_pool_earns_a_share_of_its_calls(clock: Hands):
    retries = Retries(0.25, clock)
    drain(retries)
    for _ in range(40):
        retries.called()
    assert drain(retries) == 10


def test_what_a_pool_can_save_up_is_bounded_but_a_credit_is_not_lost(clock: Hands):
    retries = Retries(1.0, clock)
    for _ in range(500):
        retries.called()
    assert retries.tokens == 100
    retries.credit(64)
    retries.called()
    assert drain(retries) == 164


@settings(deadline=None)
@given(st.lists(st.sampled_from(["call", "take", "wait"])), st.floats(0, 1))
def test_retries_never_exceed_the_floor_and_the_share(events: list[str], ratio: float):
    clock = Hands()
    retries, taken = Retries(ratio, clock), 0
    for event in events:
        if event == "call":
            retries.called()
        elif event == "take":
            taken += retries.take()
        else:
            clock.now += 1
        assert retries.tokens >= 0
    assert taken <= 3 + ratio * events.count("call") + 0.3 * events.count("wait") + 1e-6
