"""Any history of a pool: what must hold whatever happens."""

from contextlib import AbstractContextManager

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from server.upstream import Absence, Busy, Failed, NoReplica, Replica, Stalled
from server.upstream.breaker import State

from .conftest import Hands
from .test_roster import CUT, NO_CONNECTION, roster_of


class Life(RuleBasedStateMachine):
    """Any history of calls, deaths, arrivals and departures."""

    failures = st.sampled_from(
        [None, NO_CONNECTION, CUT, Stalled("silence"), Failed(500, "no"), Busy("full"), KeyError()]
    )

    @initialize(count=st.integers(1, 6))
    def begin(self, count: int) -> None:
        self.clock = Hands()
        self.roster = roster_of(count, self.clock)
        self.open: list[tuple[AbstractContextManager[Replica], Replica, int]] = []

    @rule(key=st.binary(max_size=2), samples=st.integers(1, 100))
    def lend(self, key: bytes, samples: int) -> None:
        lease = self.roster.lease(key, samples)
        candidates = [r for r in self.roster.replicas if r.alive] or list(self.roster.replicas)
        if not any(not r.rest_left for r in candidates):
            with pytest.raises(NoReplica) as caught:
                lease.__enter__()
            assert (caught.value.reason is Absence.BUSY) == bool(candidates)
            return
        replica = lease.__enter__()
        assert replica in candidates
        assert not replica.rest_left
        self.open.append((lease, replica, samples))

    @precondition(lambda self: self.open)
    @rule(data=st.data(), failure=failures)
    def end(self, data: st.DataObject, failure: Exception | None) -> None:
        lease, _, _ = self.open.pop(data.draw(st.integers(0, len(self.open) - 1)))
        if failure is None:
            lease.__exit__(None, None, None)
        else:
            assert not lease.__exit__(type(failure), failure, None)

    @rule(seconds=st.floats(0, 40))
    def wait(self, seconds: float) -> None:
        self.clock.now += seconds

    @precondition(lambda self: self.roster.replicas)
    @rule(data=st.data(), dead=st.booleans())
    def check(self, data: st.DataObject, dead: bool) -> None:
        replica = data.draw(st.sampled_from(self.roster.replicas))
        if dead:
            self.roster.died(replica, "no answer")
        else:
            self.roster.revived(replica)

    @rule(members=st.sets(st.integers(0, 7)))
    def move(self, members: set[int]) -> None:
        self.roster.update(f"http://10.0.0.{i}:8000" for i in members)

    @invariant()
    def loads_add_up(self) -> None:
        for replica in {*self.roster.replicas, *(lent for _, lent, _ in self.open)}:
            leases = [samples for _, lent, samples in self.open if lent is replica]
            assert (replica.load, replica.calls) == (sum(leases), len(leases))

    @invariant()
    def at_most_half_are_ejected(self) -> None:
        ejected = sum(replica.breaker.state is State.OPEN for replica in self.roster.replicas)
        assert ejected <= len(self.roster.replicas) // 2

    def teardown(self) -> None:
        for lease, replica, _ in getattr(self, "open", []):
            lease.__exit__(None, None, None)
            assert replica.load >= 0


Life.TestCase.settings = settings(deadline=None)
TestAnyHistory = Life.TestCase
