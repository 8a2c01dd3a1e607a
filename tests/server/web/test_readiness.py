from server.web.readiness import Readiness, State


def test_readiness_knows_when_it_began() -> None:
    assert Readiness().since > 1_700_000_000


def test_what_drains_does_not_open_again() -> None:
    readiness = Readiness()
    readiness.drain()
    readiness.open()
    assert readiness.state is State.DRAINING


def test_what_runs_is_cut_short_and_what_has_ended_is_not() -> None:
    readiness, cut = Readiness(), list[str]()
    readiness.register(lambda: cut.append("runs"))
    forget = readiness.register(lambda: cut.append("has ended"))
    forget()
    forget()
    assert (readiness.cutting, cut) == (False, [])
    readiness.cut_short()
    assert (readiness.cutting, cut) == (True, ["runs"])


def test_what_begins_after_the_cut_is_cut_at_once() -> None:
    readiness, cut = Readiness(), list[str]()
    readiness.cut_short()
    readiness.register(lambda: cut.append("late"))
    assert cut == ["late"]


def test_a_cut_may_take_itself_back() -> None:
    readiness, cut = Readiness(), list[str]()

    def once() -> None:
        cut.append("once")
        forget()

    forget = readiness.register(once)
    readiness.cut_short()
    readiness.cut_short()
    assert cut == ["once"]
