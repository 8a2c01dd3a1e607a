"""What a pool tells those who watch it, and how its replicas are."""

import pytest

from server.upstream import Busy, Failed, Pool, PoolOptions, Refused, Standing, Unreachable
from server.upstream.roster import Roster

from .conftest import Hands
from .test_roster import CUT, NO_CONNECTION, call, roster_of


class Notes:
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def ejected(self) -> None:
        self.told.append("ejected")

    def died(self) -> None:
        self.told.append("died")

    def retried(self, *, taken: bool) -> None:
        self.told.append("retried" if taken else "not retried")


def watched(count: int, clock: Hands) -> tuple[Roster, list[str]]:
    roster, notes = roster_of(count, clock), Notes()
    roster.watcher = notes
    return roster, notes.told


def test_an_ejection_is_told(clock: Hands):
    roster, told = watched(2, clock)
    call(roster, NO_CONNECTION)
    assert told == ["ejected"]


def test_a_failure_that_ejects_nobody_is_not_told(clock: Hands):
    roster, told = watched(2, clock)
    call(roster, CUT)
    call(roster, Busy("full"))
    call(roster, Refused(400, "no"))
    alone, told_alone = watched(1, clock)
    call(alone, NO_CONNECTION)
    assert told == told_alone == []


def test_a_death_is_told_once(clock: Hands):
    roster, told = watched(2, clock)
    roster.died(roster.replicas[0], "no answer")
    roster.died(roster.replicas[0], "no answer")
    assert told == ["died"]


def test_retries_are_told_until_there_are_none(clock: Hands):
    roster, told = watched(1, clock)
    assert [roster.retry() for _ in range(4)] == [True, True, True, False]
    assert told == ["retried"] * 3 + ["not retried"]


async def test_a_pool_tells_of_retries_and_not_of_what_is_not_tried_again_anyway(
    clock: Hands, monkeypatch: pytest.MonkeyPatch
):
    async def at_once(_seconds: float) -> None:
        pass

    monkeypatch.setattr("asyncio.sleep", at_once)
    pool, notes = Pool("generator", ["http://10.0.0.1:8000"], clock=clock), Notes()
    assert await pool.patience(Unreachable("cut"))
    pool.report_to(notes)
    for _ in range(3):
        await pool.patience(Unreachable("cut"))
    assert not await pool.patience(Refused(400, "no"))
    assert not await pool.patience(Failed(500, "no"), tries=3)
    assert notes.told == ["retried", "retried", "not retried"]


def test_a_replica_has_one_standing_at_a_time(clock: Hands):
    roster = roster_of(2, clock)
    replica = call(roster)
    assert replica.standing is Standing.UP
    call(roster, NO_CONNECTION)
    assert replica.standing is Standing.EJECTED
    clock.now += replica.breaker.left
    assert replica.standing is Standing.TRIAL
    replica.rest(1.0)
    assert replica.standing is Standing.RESTING
    roster.died(replica, "no answer")
    assert replica.standing is Standing.DEAD
    clock.now += 1.0
    roster.revived(replica)
    assert replica.standing is Standing.TRIAL


async def test_a_pool_counts_its_replicas_by_standing() -> None:
    options = PoolOptions(health_seconds=0)
    pool = Pool("generator", ["http://10.0.0.1:8000", "http://10.0.0.2:8000"], options=options)
    assert pool.standings == {}
    await pool.start()
    try:
        pool.replicas[0].died()
        assert pool.standings == {"up": 1, "dead": 1}
    finally:
        await pool.aclose()
