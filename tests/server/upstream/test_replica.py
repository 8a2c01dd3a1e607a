from .conftest import Hands
from .test_roster import NO_CONNECTION, call, roster_of


def test_a_death_is_told_once_and_only_to_those_who_still_listen(clock: Hands):
    (replica,) = roster_of(1, clock).replicas
    told: list[str] = []
    replica.watch(lambda: told.append("one"))
    replica.watch(lambda: told.append("another"))()
    replica.died()
    replica.died()
    assert told == ["one"]


def test_a_replica_says_how_it_is(clock: Hands):
    roster = roster_of(2, clock)
    replica = call(roster)
    assert repr(replica) == f"<Replica {replica.url}: closed, load 0>"
    call(roster, NO_CONNECTION)
    assert "open" in repr(replica)
    roster.died(replica, "no answer")
    assert "dead" in repr(replica)
