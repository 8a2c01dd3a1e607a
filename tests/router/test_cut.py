"""Ending a search from outside."""

import asyncio

import pytest

from router.answering import Answer, NoAnswer, answer
from router.budget import Budget
from router.cut import Cut
from router.policy.fixed import FixedPolicy
from router.testing import FakeGenerator, run

from .thinking import PROBLEM, saying


async def thought(cut: Cut, after: float, generator: FakeGenerator) -> Answer:
    """Think with four samples that end one after another, and cut `after` so many seconds."""
    asyncio.get_running_loop().call_later(after, cut.now)
    return await answer(
        PROBLEM,
        Budget(samples=4, deadline=100.0),
        generator=generator,
        scorer=None,
        policy=FixedPolicy("majority_voting"),
        cut=cut,
    )


def slow() -> FakeGenerator:
    return FakeGenerator(
        saying("1", "2 and some", "3 and some more words", "4 and some more words than any"), seconds=1.0
    )


def test_a_search_that_is_cut_answers_with_what_has_finished() -> None:
    generator = slow()
    whole = run(thought(Cut(), 90.0, slow()))
    found = run(thought(Cut(), 5.5, generator))
    assert whole.solutions == 4
    assert 0 < found.solutions < 4
    assert found.stopped == "shutdown"
    assert generator.active == 0


def test_a_cut_before_anything_has_finished_says_why_there_is_no_answer() -> None:
    with pytest.raises(NoAnswer) as failure:
        run(thought(Cut(), 0.5, slow()))
    assert failure.value.reason == "shutdown"


def test_a_cut_made_before_the_search_begins_ends_it_at_once() -> None:
    cut = Cut()

    async def late() -> Answer:
        cut.now()
        return await thought(cut, 50.0, slow())

    with pytest.raises(NoAnswer) as failure:
        run(late())
    assert failure.value.reason == "shutdown"


def test_a_cut_after_the_end_changes_nothing() -> None:
    async def twice() -> Answer:
        cut = Cut()
        found = await thought(cut, 90.0, slow())
        cut.now()
        cut.now()
        await asyncio.sleep(1)
        return found

    assert run(twice()).stopped == "complete"
