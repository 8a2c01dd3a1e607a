from typing import Any

import pytest

from server.web.edge import Edge, request_id


async def called(app: Any, kind: str = "http", headers: tuple[tuple[bytes, bytes], ...] = ()) -> list[dict[str, Any]]:
    sent: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    await Edge(app)({"type": kind, "headers": headers}, receive, send)
    return sent


async def test_what_escapes_before_the_reply_becomes_a_500() -> None:
    async def failing(_scope: Any, _receive: Any, _send: Any) -> None:
        raise RuntimeError("a secret of the house")

    start, body = await called(failing, headers=((b"x-request-id", b"abc"),))
    assert start["status"] == 500
    assert (b"x-request-id", b"abc") in start["headers"]
    assert b"internal_error" in body["body"]
    assert b"secret" not in body["body"]


async def test_what_escapes_within_the_reply_is_left_to_the_server_to_cut() -> None:
    async def failing(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise RuntimeError

    with pytest.raises(RuntimeError):
        await called(failing)


async def test_what_is_not_http_passes() -> None:
    seen: list[str] = []

    async def app(scope: Any, _receive: Any, _send: Any) -> None:
        seen.append(scope["type"])

    assert await called(app, "lifespan") == []
    assert seen == ["lifespan"]


async def test_the_id_is_known_inside() -> None:
    seen: list[str] = []

    async def app(scope: Any, _receive: Any, _send: Any) -> None:
        seen.append(request_id(scope))

    await called(app, headers=((b"x-request-id", b"abc"),))
    assert seen == ["abc"]


@pytest.mark.parametrize(
    ("given", "kept"), [("abc-123", True), ("a b", False), ("x" * 129, False), ("<script>", False), ("", False)]
)
async def test_a_sane_request_id_is_kept_and_another_replaced(given: str, kept: bool) -> None:
    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    (start,) = await called(app, headers=((b"x-request-id", given.encode()),))
    ((name, returned),) = start["headers"]
    assert name == b"x-request-id"
    assert (returned.decode() == given) is kept
    assert kept or returned.startswith(b"req_")
