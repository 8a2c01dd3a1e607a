"""Where the calls on dead replicas may go."""

from .conftest import Hands
from .test_roster import roster_of


def test_what_is_dead_may_be_left_for_one_on_trial_and_what_is_silent_not(clock: Hands):
    roster = roster_of(2, clock, retry_ratio=0.0)
    first, second = roster.replicas
    roster.died(second, "no answer")
    roster.revived(second)
    assert not first.others()
    first.calls = 20
    roster.died(first, "no answer")
    assert first.others()
    assert roster.retries.tokens == 3 + 20


def test_what_waits_at_the_dead_may_be_tried_again_where_another_comes_back(clock: Hands):
    roster = roster_of(2, clock, retry_ratio=0.0)
    first, second = roster.replicas
    roster.died(second, "no answer")
    first.calls = 20
    roster.died(first, "no answer")
    assert roster.retries.tokens == 3
    assert not first.others()
    roster.revived(second)
    assert first.others()
    assert roster.retries.tokens == 3 + 20
    roster.revived(second)
    assert roster.retries.tokens == 3 + 20
