import asyncio
import math

import pytest

from router.budget import Budget, Hold, Ledger, Price, Spent
from router.testing import run


def same(tokens: int) -> int:
    return tokens


def twice(tokens: int) -> int:
    return 2 * tokens


def take(ledger: Ledger, count: int, tokens: int, price: Price = same, least: int = 1) -> Hold | None:
    return run(ledger.reserve(count, tokens, price, lambda: least))


@pytest.mark.parametrize("bound", [0, -1, math.nan, math.inf, -0.5])
@pytest.mark.parametrize("name", ["samples", "tokens", "deadline"])
def test_a_bound_that_is_not_positive_and_finite_is_refused(name: str, bound: float):
    with pytest.raises(ValueError, match=name):
        Budget(**{name: bound})  # type: ignore[arg-type]


def test_no_bound_at_all_is_a_budget():
    ledger = Ledger(Budget(), 10)
    assert (ledger.samples_left, ledger.tokens_left, ledger.compute_left) == (math.inf, math.inf, math.inf)
    hold = take(ledger, 1000, 10)
    assert hold is not None
    assert hold.count == 1000


def test_a_hold_sets_aside_and_gives_back():
    ledger = Ledger(Budget(samples=4, tokens=100), 20)
    hold = take(ledger, 2, 20, twice)
    assert hold is not None
    assert (hold.count, hold.tokens, hold.compute) == (2, 40, 80)
    assert (ledger.samples_left, ledger.tokens_left, ledger.compute_left, ledger.held) == (2, 40, 20, 80)
    hold.generated(15)
    hold.judged(5, 10)
    hold.release()
    hold.release()
    assert ledger.spent == Spent(samples=2, tokens=15, scorer_tokens=5, compute=25)
    assert (ledger.held, ledger.compute_left, ledger.tokens_left, ledger.overrun) == (0, 75, 65, 0)


def test_as_many_are_given_as_fit():
    ledger = Ledger(Budget(samples=10, tokens=70), 20)
    hold = take(ledger, 8, 20)
    assert hold is not None
    assert hold.count == 3


def test_the_last_sample_is_shortened_to_what_is_left():
    ledger = Ledger(Budget(tokens=25), 20)
    hold = take(ledger, 1, 20, lambda t: 3 * t + 1)
    assert hold is not None
    assert (hold.count, hold.tokens, hold.compute) == (1, 8, 25)


def test_a_sample_too_short_to_be_worth_it_is_not_started():
    ledger = Ledger(Budget(tokens=25), 20)
    assert take(ledger, 1, 20, lambda t: 3 * t, least=9) is None
    assert ledger.spent == Spent()


def test_samples_bound_the_generated_tokens_too():
    ledger = Ledger(Budget(samples=2), 10)
    first = take(ledger, 2, 10)
    assert first is not None
    first.generated(17)
    first.release()
    ledger.hand_on()
    second = take(ledger, 1, 10)
    assert second is not None
    assert second.tokens == 3


def test_without_a_path_left_nothing_is_waited_for():
    ledger = Ledger(Budget(samples=1), 10)
    assert take(ledger, 1, 10) is not None
    assert take(ledger, 1, 10) is None  # run() raises where this waits


def test_a_path_handed_on_can_be_taken_again():
    ledger = Ledger(Budget(samples=1, tokens=100), 10)
    hold = take(ledger, 1, 10)
    assert hold is not None
    hold.release()
    ledger.hand_on()
    assert take(ledger, 1, 10) is not None


def test_a_waiter_gets_what_another_gives_back():
    ledger = Ledger(Budget(tokens=10), 10)

    async def first(hold: Hold) -> None:
        await asyncio.sleep(5)
        hold.generated(4)
        hold.release()

    async def main() -> tuple[int, float]:
        hold = await ledger.reserve(1, 10, same)
        assert hold is not None
        task = asyncio.create_task(first(hold))
        second = await ledger.reserve(1, 6, same)
        await task
        assert second is not None
        return second.tokens, asyncio.get_running_loop().time()

    assert run(main()) == (6, 5.0)


def test_a_cancelled_waiter_disturbs_nobody():
    ledger = Ledger(Budget(tokens=10), 10)

    async def main() -> Hold | None:
        hold = await ledger.reserve(1, 10, same)
        assert hold is not None
        waiters = [asyncio.create_task(ledger.reserve(1, 10, same)) for _ in range(3)]
        await asyncio.sleep(0)
        waiters[0].cancel()
        hold.release()
        waiters[1].cancel()
        await asyncio.gather(*waiters[:2], return_exceptions=True)
        return await waiters[2]

    assert run(main()) is not None


def test_what_is_held_for_judging_is_not_waited_for():
    ledger = Ledger(Budget(tokens=30), 10)
    hold = take(ledger, 1, 10, twice)
    assert hold is not None
    hold.generated(10)
    hold.keep(10)
    assert ledger.held == 10
    rest = take(ledger, 1, 10, twice)
    assert rest is not None
    assert rest.compute == 10


def test_parts_of_a_hold_are_settled_one_by_one():
    ledger = Ledger(Budget(tokens=100), 10)
    hold = take(ledger, 3, 10, twice)
    assert hold is not None
    part = hold.split(10, 20)
    part.generated(4)
    part.keep(8)
    assert (ledger.held, part.tokens, part.compute) == (48, 0, 8)
    purse = Hold(ledger, 0, 0, 0)
    purse.merge(part)
    part.release()
    assert ledger.held == 48
    purse.judged(3, 6)
    purse.release()
    hold.release()
    assert (ledger.held, ledger.spent.compute) == (0, 10)


def test_a_split_takes_no_more_than_there_is():
    ledger = Ledger(Budget(tokens=10), 10)
    hold = take(ledger, 1, 10)
    assert hold is not None
    part = hold.split(99, 99)
    assert (part.tokens, part.compute, hold.tokens, hold.compute) == (10, 10, 0, 0)


def test_an_overrun_is_charged_and_told():
    ledger = Ledger(Budget(samples=1, tokens=10), 10)
    hold = take(ledger, 1, 10)
    assert hold is not None
    hold.generated(13)
    hold.release()
    assert (ledger.overrun, ledger.spent.tokens, ledger.held) == (3, 13, 0)
    ledger.hand_on()
    assert take(ledger, 1, 10) is None
