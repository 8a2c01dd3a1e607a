from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.upstream import Busy, Failed, Refused
from server.upstream.faults import fault


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"error":{"message":"n is too large","type":"x"}}', "n is too large"),
        (b'{"error":"Unauthorized"}', "Unauthorized"),
        (b'{"detail":"Not Found"}', "Not Found"),
        (b'{"detail":[{"loc":["body","n"],"msg":"bad"}]}', '[{"loc":["body","n"],"msg":"bad"}]'),
        (b'{"object":"error","message":"too long","code":400}', "too long"),
        (b'{"error":{"code":7}}', '{"code":7}'),
        (b'{"error":{"message":{"a":1}}}', '{"a":1}'),
        (b'{"error":null}', '{"error":null}'),
        (b'["a"]', '["a"]'),
        (b'"words"', "words"),
        (b"plain\r\n  text ", "plain text"),
        (b"\xff\xfe", "\ufffd\ufffd"),
        (b"", "the backend refused the request (400)"),
        (b"x" * 301, "x" * 299 + "…"),
        (b"x" * 300, "x" * 300),
    ],
)
def test_the_message_is_found_whatever_the_shape(body: bytes, message: str):
    refused = fault(400, None, body)
    assert isinstance(refused, Refused)
    assert refused.message == message


@pytest.mark.parametrize(
    ("body", "param"),
    [(b'{"error":{"message":"m","param":"n"}}', "n"), (b'{"error":{"message":"m","param":7}}', None), (b"no", None)],
)
def test_the_field_is_named_where_the_backend_names_it(body: bytes, param: str | None):
    refused = fault(422, None, body)
    assert isinstance(refused, Refused)
    assert (refused.status, refused.param) == (422, param)


@pytest.mark.parametrize("status", [401, 402, 403, 404, 405, 407, 408])
def test_what_no_client_brings_about_counts_against_the_replica_and_is_only_logged(
    status: int, caplog: pytest.LogCaptureFixture
):
    failed = fault(status, None, b'{"error":"Incorrect key: sk-abc"}')
    assert isinstance(failed, Failed)
    assert failed.status == status
    assert "sk-abc" not in str(failed)
    assert "sk-abc" in caplog.text


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("2", 2.0),
        ("0.5", 0.5),
        ("-3", 0.0),
        ("soon", None),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 0.0),
        ("nan", None),
        ("inf", None),
    ],
)
def test_retry_after_is_read(header: str | None, seconds: float | None):
    busy = fault(503, header, b"")
    assert isinstance(busy, Busy)
    assert busy.retry_after == seconds


def test_retry_after_may_be_a_date():
    busy = fault(429, format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True), b"")
    assert isinstance(busy, Busy)
    assert busy.retry_after == pytest.approx(60, abs=5)


@settings(deadline=None)
@given(st.integers(300, 999), st.none() | st.text(), st.binary())
def test_any_reply_is_some_error_with_a_short_message(status: int, header: str | None, body: bytes):
    error = fault(status, header, body)
    assert isinstance(error, Busy | Refused | Failed)
    assert 0 < len(str(error)) <= 310
