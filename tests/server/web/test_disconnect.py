import asyncio

import pytest

from server.web.disconnect import ClientGone, unless_gone


async def test_work_that_ends_first_is_returned_and_the_watch_ends() -> None:
    watching = asyncio.Event()

    async def receive() -> dict[str, str]:
        try:
            await asyncio.Event().wait()
        finally:
            watching.set()
        raise AssertionError

    async def work() -> int:
        await asyncio.sleep(0)
        return 7

    assert await unless_gone(receive, work()) == 7
    assert watching.is_set()


async def test_what_work_raises_is_raised() -> None:
    async def receive() -> dict[str, str]:
        await asyncio.Event().wait()
        raise AssertionError

    async def work() -> None:
        raise LookupError

    with pytest.raises(LookupError):
        await unless_gone(receive, work())


async def test_a_disconnect_is_waited_for_until_the_work_has_cleaned_up() -> None:
    cleaned: list[bool] = []

    async def receive() -> dict[str, str]:
        return {"type": "http.disconnect"}

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            cleaned.append(True)

    with pytest.raises(ClientGone):
        await unless_gone(receive, work())
    assert cleaned == [True]


async def test_what_is_no_disconnect_does_not_stop_the_work() -> None:
    heard = asyncio.Event()
    messages = [{"type": "http.request", "body": b""}]

    async def receive() -> dict[str, object]:
        if messages:
            return messages.pop()
        heard.set()
        return await asyncio.Future[dict[str, object]]()

    async def work() -> int:
        await heard.wait()
        return 7

    assert await unless_gone(receive, work()) == 7
