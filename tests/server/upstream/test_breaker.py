from random import Random

import pytest

from server.upstream.breaker import Breaker, State

from .conftest import Hands


@pytest.fixture
def breaker(clock: Hands) -> Breaker:
    return Breaker(clock, Random(1))


def test_a_grave_failure_opens_at_once_and_lighter_ones_after_three(breaker: Breaker):
    assert breaker.failed(grave=True)
    breaker.succeeded()
    assert [breaker.failed(grave=False) for _ in range(3)] == [False, False, True]


def test_a_success_forgives(breaker: Breaker):
    breaker.failed(grave=False)
    breaker.failed(grave=False)
    breaker.succeeded()
    assert not breaker.failed(grave=False)


def test_the_pause_doubles_to_thirty_seconds_and_is_jittered(breaker: Breaker, clock: Hands):
    pauses: list[float] = []
    for _ in range(8):
        breaker.open()
        pauses.append(breaker.left)
        assert breaker.state is State.OPEN
        clock.now += breaker.left
        assert breaker.state is State.HALF_OPEN
        assert breaker.failed(grave=False)
    for pause, nominal in zip(pauses, [1, 2, 4, 8, 16, 30, 30, 30], strict=True):
        assert 0.8 * nominal <= pause <= 1.2 * nominal
    assert len({pause / round(pause) for pause in pauses}) > 1


def test_a_good_trial_closes_and_starts_the_pauses_anew(breaker: Breaker, clock: Hands):
    for _ in range(4):
        breaker.open()
    clock.now += breaker.left
    breaker.succeeded()
    assert (breaker.state, breaker.left) == (State.CLOSED, 0.0)
    breaker.open()
    assert breaker.left <= 1.2


def test_a_trial_that_has_begun_to_answer_closes_on_probation(breaker: Breaker):
    breaker.open()
    breaker.heard()
    assert breaker.state is State.OPEN, "what a call from before has to say changes nothing"
    breaker.half_open()
    breaker.heard()
    assert breaker.state is State.CLOSED
    assert breaker.failed(grave=False), "the next failure opens"


def test_an_era_ends_with_each_opening(breaker: Breaker):
    eras = [breaker.era]
    for change in (breaker.open, breaker.half_open):
        change()
        eras.append(breaker.era)
    assert eras == sorted(set(eras))
