"""Tokens and passwords are in no text that these classes make."""

import logging
from pathlib import Path

import pytest

from server.keys import Exhausted, Key, Keyring, LocalQuota, RedisQuota, Unavailable, keyfile
from server.keys.key import digest, new_id, new_token

from .made import key
from .redis_server import RedisServer, needs_redis


def texts(*things: object) -> str:
    return "\n".join(
        text
        for thing in things
        for text in (repr(thing), str(thing), f"{vars(thing)}" if hasattr(thing, "__dict__") else "")
    )


def test_a_token_has_256_random_bits_and_is_kept_nowhere(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG)
    path, token = tmp_path / "keys.json", new_token()
    assert token.startswith("cog_")
    assert len(token) == 4 + 43
    assert len({new_token() for _ in range(100)}) == 100
    made = Key(new_id(), "a", digest(token))
    keyfile.write(path, (made,))
    keyring = Keyring.read(path)
    assert keyring.find(token) == made
    told = texts(made, keyring, Exhausted("compute", "day", 5, 1.0), Unavailable("away"))
    for secret in (token, token[4:], token[4:20]):
        assert secret not in told + caplog.text + path.read_text()
    assert made.digest not in repr(made)
    assert made.digest not in repr(keyring)


def test_a_token_in_a_wrong_place_of_the_file_is_not_repeated(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    path, token = tmp_path / "keys.json", new_token()
    fields = f'"id": "{token} ", "name": "{token}", "digest": "{token}", "priority": "{token}", "expires": "{token}"'
    path.write_text(f'{{"version": "{token}", "keys": [{{{fields}, "scopes": ["{token}"], "limits": "{token}"}}]}}')
    path.chmod(0o600)
    with pytest.raises(ValueError, match="no file of keys") as fault:
        keyfile.read(path)
    assert token[4:] not in str(fault.value) + caplog.text
    assert fault.value.__cause__ is None


@needs_redis
async def test_the_password_of_redis_is_in_no_text(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG)
    server = RedisServer(tmp_path, password="hunter2hunter2")
    limited = key(compute_per_day=100)
    right, wrong = server.books(), RedisQuota.from_url(server.url.replace("hunter2", "hunter3", 1), patience=30)
    try:
        reservation = await right.reserve(limited, 10, 1)
        with pytest.raises(Unavailable, match="AuthenticationError") as fault:
            await wrong.reserve(limited, 10, 1)
        told = texts(right, reservation, wrong, fault.value, LocalQuota())
        assert "hunter" not in told + caplog.text
        assert fault.value.__suppress_context__
    finally:
        await right.aclose()
        await wrong.aclose()
        server.kill()
