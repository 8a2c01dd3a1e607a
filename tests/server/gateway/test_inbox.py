import asyncio

import pytest

from router.events import Text
from server.gateway.inbox import Inbox, Patience


async def test_a_batch_is_all_that_has_come_in_its_order():
    inbox = Inbox(10.0)
    for event in (Text("a"), Text("b"), None):
        inbox.put(event)
    assert await inbox.batch() == [Text("a"), Text("b"), None]
    inbox.close()


async def test_the_first_event_wakes_the_reader():
    inbox = Inbox(10.0)
    reading = asyncio.create_task(inbox.batch())
    await asyncio.sleep(0)
    inbox.put(Text("a"))
    inbox.put(Text("b"))  # before the reader runs again
    assert await reading == [Text("a"), Text("b")]
    inbox.close()


async def test_silence_is_an_empty_batch_again_and_again():
    inbox = Inbox(0.01)
    assert [await inbox.batch() for _ in range(2)] == [[], []]
    inbox.close()


async def test_silence_is_counted_from_the_wait_not_from_the_start():
    loop, inbox = asyncio.get_running_loop(), Inbox(0.05)
    await asyncio.sleep(0.03)
    begun = loop.time()
    assert await inbox.batch() == []
    assert loop.time() - begun >= 0.045
    inbox.close()


async def test_nobody_who_waits_is_woken_by_nothing():
    inbox = Inbox(0.01)
    await asyncio.sleep(0.03)
    inbox.put(Text("a"))
    assert await inbox.batch() == [Text("a")]
    inbox.close()


async def test_a_wait_that_lasts_too_long_ends_the_block():
    patience = Patience(0.01)

    async def stuck() -> None:
        async with patience:
            patience.begin()
            await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        await stuck()
    assert patience.lost


async def test_many_short_waits_may_take_longer_than_one():
    patience = Patience(0.03)
    async with patience:
        for _ in range(8):
            patience.begin()
            await asyncio.sleep(0.01)
            patience.end()
    assert not patience.lost


async def test_time_between_waits_does_not_count():
    patience = Patience(0.01)
    async with patience:
        await asyncio.sleep(0.03)
    assert not patience.lost
