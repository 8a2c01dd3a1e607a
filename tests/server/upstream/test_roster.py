"""Lending replicas out: what is learnt from a call, and whom the next one goes to."""

import asyncio
from collections.abc import Iterable
from contextlib import ExitStack, nullcontext
from random import Random

import pytest

from server.upstream import Absence, Busy, Failed, NoReplica, PoolOptions, Refused, Replica, Stalled, Unreachable
from server.upstream.breaker import State
from server.upstream.roster import Roster

from .conftest import Hands

CUT, NO_CONNECTION = Unreachable("cut"), Unreachable("nobody there", connecting=True)


def urls(count: int) -> list[str]:
    return [f"http://10.0.0.{i}:8000" for i in range(count)]


def roster_of(count: int, clock: Hands, **options: float) -> Roster:
    roster = Roster("generator", PoolOptions(**options), clock, Random(1))  # pyright: ignore[reportArgumentType]
    roster.update(urls(count))
    return roster


def call(
    roster: Roster, failure: BaseException | None = None, key: bytes = b"key", avoid: Iterable[Replica] = ()
) -> Replica:
    """Make a call that ends so, and return whom it went to."""
    lent: list[Replica] = []
    ending = pytest.raises(type(failure)) if failure else nullcontext()
    with ending, roster.lease(key, 4, tuple(avoid)) as replica:
        lent.append(replica)
        if failure:
            raise failure
    return lent[0]


def test_a_lease_counts_its_samples_and_gives_them_back(clock: Hands):
    roster = roster_of(1, clock)
    with roster.lease(b"key", 16) as replica, roster.lease(b"key", 3):
        assert (replica.load, replica.calls) == (19, 2)
    assert (replica.load, replica.calls) == (0, 0)


@pytest.mark.parametrize("failure", [CUT, Busy("full"), Refused(400, "no"), asyncio.CancelledError(), KeyError()])
def test_the_samples_are_given_back_however_the_call_ends(clock: Hands, failure: BaseException):
    assert call(roster_of(2, clock), failure).load == 0


@pytest.mark.parametrize(
    ("failure", "needed"),
    [(NO_CONNECTION, 1), (Stalled("silence"), 1), (CUT, 3), (Failed(500, "oops"), 3)],
)
def test_a_replica_that_fails_is_ejected(clock: Hands, failure: Exception, needed: int):
    roster = roster_of(2, clock)
    *before, last = [call(roster, failure) for _ in range(needed)]
    assert not last.alive
    assert set(before) <= {last}
    assert call(roster) is not last


@pytest.mark.parametrize("failure", [Refused(400, "no"), asyncio.CancelledError(), GeneratorExit(), ValueError()])
def test_what_is_not_the_replica_s_fault_teaches_nothing(clock: Hands, failure: BaseException):
    roster = roster_of(2, clock)
    (replica,) = {call(roster, failure) for _ in range(5)}
    assert replica.well
    assert replica.breaker.failures == 0


def test_a_busy_replica_rests_and_is_not_ejected(clock: Hands):
    roster = roster_of(2, clock)
    first = call(roster, Busy("full", 2.0))
    assert first.alive
    assert call(roster) is not first
    clock.now += 2.0
    assert call(roster) is first


@pytest.mark.parametrize(("named", "rest"), [(None, 0.5), (3.0, 3.0), (3600.0, 10.0), (-1.0, 0.0)])
def test_a_rest_is_as_long_as_named_within_reason(clock: Hands, named: float | None, rest: float):
    assert call(roster_of(1, clock), Busy("full", named)).rest_left == pytest.approx(rest)


def test_nobody_can_be_asked_while_all_rest(clock: Hands):
    roster = roster_of(2, clock)
    call(roster, Busy("full", 3.0))
    call(roster, Busy("full", 1.0))
    with pytest.raises(NoReplica, match="busy") as caught:
        call(roster)
    assert (caught.value.reason, caught.value.retry_after) == (Absence.BUSY, pytest.approx(1.0))


def test_nobody_can_be_asked_where_nobody_is(clock: Hands):
    with pytest.raises(NoReplica, match="down") as caught:
        call(roster_of(0, clock))
    assert (caught.value.reason, caught.value.retry_after) == (Absence.DOWN, None)


def test_where_all_are_dead_or_ejected_any_is_asked_for_the_witness_may_err(clock: Hands):
    roster = roster_of(2, clock)
    ejected = call(roster, NO_CONNECTION)
    (other,) = set(roster.replicas) - {ejected}
    roster.died(other, "no answer")
    assert call(roster) in {ejected, other}


def test_a_pool_of_one_is_never_ejected(clock: Hands):
    roster = roster_of(1, clock)
    for _ in range(9):
        assert call(roster, NO_CONNECTION).alive


@pytest.mark.parametrize("count", range(2, 8))
def test_at_most_half_are_ejected(clock: Hands, count: int):
    roster = roster_of(count, clock)
    for number in range(20 * count):
        call(roster, NO_CONNECTION, key=str(number).encode())
    assert sum(not replica.alive for replica in roster.replicas) == count // 2


def test_those_a_health_check_finds_dead_count_towards_the_half(clock: Hands):
    roster = roster_of(4, clock)
    for replica in roster.replicas[:2]:
        roster.died(replica, "no answer")
    for _ in range(5):
        assert call(roster, NO_CONNECTION).alive


def test_an_ejected_replica_gets_one_trial_after_its_pause(clock: Hands):
    roster = roster_of(2, clock)
    first = call(roster, NO_CONNECTION)
    clock.now += 1.3
    with roster.lease(b"key", 1) as trial, roster.lease(b"key", 1) as second:
        assert trial is first
        assert second is not first
    assert first.well


def test_a_trial_that_fails_ejects_for_longer(clock: Hands):
    roster = roster_of(2, clock)
    first = call(roster, NO_CONNECTION)
    clock.now += 1.3
    assert call(roster, CUT) is first
    assert first.breaker.state is State.OPEN
    assert first.breaker.left > 1.5


def test_a_trial_that_ends_without_a_lesson_is_followed_by_another(clock: Hands):
    roster = roster_of(2, clock)
    first = call(roster, NO_CONNECTION)
    clock.now += 1.3
    assert call(roster, asyncio.CancelledError()) is first
    assert call(roster) is first
    assert first.well


def test_a_call_from_before_the_ejection_is_no_news(clock: Hands):
    roster = roster_of(2, clock)
    with ExitStack() as late:
        first = late.enter_context(roster.lease(b"key", 1))
        call(roster, NO_CONNECTION)
        clock.now += 1.3
        assert first.breaker.state is State.HALF_OPEN
    assert first.breaker.state is State.HALF_OPEN
    late = roster.lease(b"key", 1)
    late.__enter__()
    roster.died(first, "no answer")
    roster.revived(first)
    late.__exit__(Stalled, Stalled("died"), None)
    assert first.breaker.state is State.HALF_OPEN


def test_with_nobody_in_full_service_trials_are_not_rationed(clock: Hands):
    roster = roster_of(1, clock)
    (only,) = roster.replicas
    roster.died(only, "no answer")
    roster.revived(only)
    with roster.lease(b"key", 1), roster.lease(b"key", 1) as second:
        assert second is only


def test_a_replica_to_avoid_is_asked_only_if_there_is_no_other(clock: Hands):
    roster = roster_of(2, clock)
    first = call(roster)
    assert call(roster, avoid=[first]) is not first
    assert call(roster, avoid=roster.replicas) is first


def test_a_dead_replica_comes_back_by_a_trial(clock: Hands):
    roster = roster_of(2, clock)
    first = call(roster)
    roster.died(first, "no answer")
    assert call(roster) is not first
    roster.revived(first)
    assert (first.alive, first.well) == (True, False)
    assert call(roster) is first
    assert first.well


def test_a_healthy_answer_ends_the_pause_of_one_that_could_not_be_reached_but_not_of_one_that_errs(clock: Hands):
    roster = roster_of(4, clock)
    unreachable = call(roster, NO_CONNECTION)
    (failing,) = {call(roster, Failed(500, "oops")) for _ in range(3)}
    for replica in (unreachable, failing):
        assert not replica.alive
        roster.revived(replica)
    assert (unreachable.alive, failing.alive) == (True, False)


def test_a_replica_that_leaves_gets_no_calls_and_ends_its_own(clock: Hands):
    roster = roster_of(2, clock)
    with roster.lease(b"key", 4) as first:
        (other,) = set(roster.replicas) - {first}
        roster.update([other.url])
        assert call(roster) is other
        roster.update(urls(2))
        assert first in roster.replicas, "the one that comes back is the one that has calls under way"
        assert first.load == 4


def test_a_replica_that_has_left_is_forgotten(clock: Hands):
    roster = roster_of(2, clock)
    old = roster.replicas
    roster.update([])
    roster.update(urls(2))
    assert not set(old) & set(roster.replicas)


def test_when_others_leave_the_ejected_are_let_back(clock: Hands):
    roster = roster_of(4, clock)
    for number in range(80):
        call(roster, NO_CONNECTION, key=str(number).encode())
    roster.update([replica.url for replica in roster.replicas if not replica.alive])
    assert sum(replica.alive for replica in roster.replicas) == 1


def test_another_could_be_asked_only_while_one_is_well_and_rested(clock: Hands):
    roster = roster_of(2, clock)
    first, second = roster.replicas
    assert first.others()
    second.rest(1.0)
    assert not first.others()
    clock.now += 1.0
    assert first.others()
    roster.died(second, "no answer")
    assert not first.others()


def test_what_an_ejected_replica_had_under_way_may_all_be_tried_again(clock: Hands):
    roster = roster_of(2, clock, retry_ratio=0.0)
    with ExitStack() as under_way:
        for _ in range(20):
            under_way.enter_context(roster.lease(b"key", 1))
        call(roster, NO_CONNECTION)
    assert roster.retries.tokens == 3 + 21


def test_what_a_dead_replica_had_under_way_may_be_tried_again_if_there_is_another(clock: Hands):
    for count, credit in ((1, 0), (2, 1)):
        roster = roster_of(count, clock, retry_ratio=0.0)
        with roster.lease(b"key", 1) as replica:
            roster.died(replica, "no answer")
            roster.died(replica, "no answer")
        assert roster.retries.tokens == 3 + credit


def test_the_calls_that_learn_of_a_death_are_credited_once_and_eject_nobody(clock: Hands):
    roster = roster_of(2, clock, retry_ratio=0.0)
    lease = roster.lease(b"key", 1)
    replica = lease.__enter__()
    roster.died(replica, "no answer")
    lease.__exit__(Stalled, Stalled("died"), None)
    assert roster.retries.tokens == 4
    assert replica.breaker.state is State.CLOSED


def test_the_failures_that_led_to_the_ejection_are_credited_too(clock: Hands):
    roster = roster_of(2, clock, retry_ratio=0.0)
    for _ in range(3):
        call(roster, CUT)
    assert roster.retries.tokens == 3 + 3
