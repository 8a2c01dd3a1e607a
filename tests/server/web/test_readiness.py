from server.web.readiness import Readiness, State


def test_readiness_knows_when_it_began() -> None:
    assert Readiness().since > 1_700_000_000


def test_what_drains_does_not_open_again() -> None:
    readiness = Readiness()
    readiness.drain()
    readiness.open()
    assert readiness.state is State.DRAINING
