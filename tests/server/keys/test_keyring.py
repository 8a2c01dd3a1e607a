"""The file of keys, and who is found in it."""

import json
import logging
import os
import timeit
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.policy.names import STRATEGIES
from server.keys import Key, KeyLimits, Keyring, keyfile
from server.keys import keyring as module
from server.keys.key import digest, new_id, new_token

from .made import Clock


def make(name: str, token: str, **changed: Any) -> Key:
    return replace(Key(new_id(), name, digest(token)), **changed)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys.json"


def write(path: Path, content: Any) -> None:
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    path.chmod(0o600)


# The file


def test_a_file_is_read_as_it_was_written(path: Path):
    limits = KeyLimits(5, 6, 7, 8, 9, 10, frozenset({"small", "large"}), frozenset({"greedy", "dvts"}))
    everything = Key("key_1", "a", digest("a"), frozenset({"chat", "metrics"}), limits, "low", date(2030, 1, 31))
    keys = (everything, make("b", "b"))
    keyfile.write(path, keys)
    assert keyfile.read(path) == keys
    assert json.loads(path.read_text())["keys"][0]["limits"]["models"] == ["large", "small"]


def test_a_new_file_is_for_its_owner_alone(path: Path):
    keyfile.write(path, ())
    assert path.stat().st_mode & 0o777 == 0o600
    assert keyfile.read(path) == ()
    assert list(path.parent.iterdir()) == [path]


def test_a_file_keeps_its_owner_and_who_may_read_it(path: Path):
    if os.geteuid():
        pytest.skip("only root gives files away")
    keyfile.write(path, ())
    os.chown(path, 1234, 4321)
    path.chmod(0o644)
    keyfile.write(path, (make("a", "a"),))
    found = path.stat()
    assert (found.st_uid, found.st_gid, found.st_mode & 0o777) == (1234, 4321, 0o640)


def test_a_link_to_the_file_stays_a_link(path: Path, tmp_path: Path):
    link = tmp_path / "link"
    keyfile.write(path, ())
    link.symlink_to(path)
    keyfile.write(link, (make("a", "a"),))
    assert link.is_symlink()
    assert len(keyfile.read(path)) == 1


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(path: Path, monkeypatch: pytest.MonkeyPatch):
    keyfile.write(path, (make("a", "a"),))

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        keyfile.write(path, ())
    assert len(keyfile.read(path)) == 1
    assert list(path.parent.iterdir()) == [path]


def test_every_fault_of_a_file_is_told_at_once(path: Path):
    good = {"id": "a", "name": "a", "digest": "0" * 64}
    write(
        path,
        {
            "version": 2,
            "owner": "me",
            "keys": [
                good,
                good | {"name": "two words", "digest": "cog_secret", "colour": "red"},
                {"name": "c", "scopes": [], "priority": "first", "expires": "2030-01-31T10:00"},
                good
                | {
                    "id": "é",
                    "name": "cog_token",
                    "limits": {"max_samples": 0, "requests_per_day": "9", "strategies": ["luck"]},
                },
                "a key",
            ],
        },
    )
    path.chmod(0o622)
    with pytest.raises(ValueError, match="no file of keys that can be used") as fault:
        keyfile.read(path)
    first, *lines = str(fault.value).splitlines()
    assert str(path) in first
    assert [line.strip() for line in lines] == [
        "others may write it, and add keys: chmod go-w takes that away",
        'its "version" is not 1, which this software reads',
        "'owner' is not known beside 'version' and 'keys'",
        "key 2 (two words): name: has up to 64 letters, digits, '.', '_' and '-', and begins with one of the first two",
        "key 2 (two words): digest: is no SHA-256 in 64 hexadecimal digits",
        "key 2 (two words): colour: is not known",
        "key 3 (c): id: is missing",
        "key 3 (c): digest: is missing",
        "key 3 (c): scopes: frozenset should have at least 1 item after validation, not 0",
        "key 3 (c): priority: input should be 'high', 'normal' or 'low'",
        "key 3 (c): expires: a day looks like 2027-01-31",
        "key 4: id: has up to 64 letters, digits, '_' and '-'",
        "key 4: limits.requests_per_day: input should be a valid integer",
        "key 4: limits.max_samples: input should be greater than or equal to 1",
        f"key 4: limits.strategies: there is no strategy luck; there are {', '.join(STRATEGIES)}",
        "key 5: the entry: is no object",
        "keys 1, 2 have the same id",
        "keys 1, 4 have the same digest",
        "the id of one key is the name of another",
    ]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "not JSON: line 1"),
        ("{,", "not JSON"),
        ("[]", "not an object with a list"),
        ("{}", "not an object with a list"),
        ({"version": 1, "keys": {}}, "not an object with a list"),
        (
            {
                "version": 1,
                "keys": [{"id": "a", "name": "b", "digest": "0" * 64}, {"id": "b", "name": "c", "digest": "1" * 64}],
            },
            "the name of another",
        ),
    ],
)
def test_what_is_no_file_of_keys_is_told(path: Path, content: Any, told: str):
    write(path, content)
    with pytest.raises(ValueError, match=told):
        keyfile.read(path)


def test_a_file_that_cannot_be_read_is_told(path: Path):
    with pytest.raises(ValueError, match="cannot be read: No such file"):
        Keyring.read(path)


@settings(max_examples=50, deadline=None)
@given(content=st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda s: st.lists(s) | st.dictionaries(st.sampled_from(["version", "keys", "id", "name", "digest", "limits", "expires", "scopes"]), s)))  # fmt: skip
def test_no_content_does_anything_but_fail_in_plain_words(tmp_path_factory: pytest.TempPathFactory, content: Any):
    path = tmp_path_factory.getbasetemp() / "any.json"
    write(path, {"version": 1, "keys": [content]})
    with pytest.raises(ValueError, match="no file of keys"):
        keyfile.read(path)


def test_a_file_that_everybody_can_read_is_warned_of(path: Path, caplog: pytest.LogCaptureFixture):
    keyfile.write(path, ())
    keyfile.read(path)
    path.chmod(0o640)
    keyfile.read(path)
    assert not caplog.records
    path.chmod(0o644)
    keyfile.read(path)
    assert "every user of this machine" in caplog.text


def _add(path: Path, number: int) -> None:
    with keyfile.locked(path):
        keys = keyfile.read(path) if path.exists() else ()
        keyfile.write(path, (*keys, make(f"k{number}", new_token())))


def test_commands_at_the_same_time_lose_no_key(path: Path):
    with get_context("spawn").Pool(4) as pool:
        pool.starmap(_add, [(path, number) for number in range(24)])
    assert sorted(key.name for key in keyfile.read(path)) == sorted(f"k{number}" for number in range(24))


# Who is found


def ring(path: Path, *keys: Key) -> tuple[Keyring, Clock]:
    keyfile.write(path, keys)
    clock = Clock(0.0)
    return Keyring.read(path, clock), clock


def test_a_token_finds_its_key_and_no_other_does(path: Path):
    tokens = [new_token() for _ in range(30)]
    keyring, _ = ring(path, *(make(f"k{n}", token) for n, token in enumerate(tokens)))
    assert [keyring.find(token) for token in tokens] == list(keyring.keys)
    for wrong in ("", "cog_", tokens[0][:-1], tokens[0] + "x", digest(tokens[0]), "\udcff\x00é" * 1000):
        assert keyring.find(wrong) is None


def test_every_digest_is_compared_whole_whatever_the_token(path: Path, monkeypatch: pytest.MonkeyPatch):
    tokens = [new_token() for _ in range(5)]
    keyring, _ = ring(path, *(make(f"k{n}", token) for n, token in enumerate(tokens)))
    pairs = list[tuple[str, str]]()
    compare = module.compare_digest
    monkeypatch.setattr(module, "compare_digest", lambda a, b: pairs.append((a, b)) or compare(a, b))
    for token in (tokens[0], tokens[4], "unknown"):
        pairs.clear()
        keyring.find(token)
        assert pairs == [(key.digest, digest(token)) for key in keyring.keys]


def test_a_key_is_found_in_microseconds(path: Path):
    token = new_token()
    keyring = ring(path, *(make(f"k{n}", new_token()) for n in range(50)), make("last", token))[0]
    assert min(timeit.repeat(lambda: keyring.find(token), number=200, repeat=5)) / 200 < 100e-6


def test_a_key_is_good_until_the_end_of_its_last_day(path: Path):
    today = datetime.now(UTC).date()
    days = {"yesterday": today - timedelta(1), "tomorrow": today + timedelta(1)}
    keyring, _ = ring(path, *(make(name, name, expires=day) for name, day in days.items()))
    assert keyring.find("yesterday") is None
    assert keyring.find("tomorrow") is not None
    key = make("a", "a", expires=date(2030, 1, 31))
    assert [key.expired(date(2030, 1, 31)), key.expired(date(2030, 2, 1))] == [False, True]


def test_a_revoked_key_is_refused_within_a_second_and_a_new_one_taken(path: Path):
    keyring, clock = ring(path, make("old", "old"))
    keyfile.write(path, (make("new", "new"),))
    clock.now = 0.9
    assert keyring.find("old")
    clock.now = 1.0
    assert keyring.find("old") is None
    assert keyring.find("new")


def test_the_file_is_looked_at_once_a_second_and_read_when_it_has_changed(path: Path, monkeypatch: pytest.MonkeyPatch):
    keyring, clock = ring(path, make("a", "a"))
    read = list[Path]()
    monkeypatch.setattr(module.keyfile, "read", lambda path: read.append(path) or keyring.keys)  # pyright: ignore
    for clock.now in (1.0, 2.0, 3.0):
        keyring.find("a")
    assert not read
    os.utime(path, ns=(1, 1))
    for clock.now in (3.5, 4.0, 4.5, 5.0):
        keyring.find("a")
    assert read == [path]


def test_a_file_that_breaks_leaves_the_keys_as_they_were_and_is_told_once(path: Path, caplog: pytest.LogCaptureFixture):
    keyring, clock = ring(path, make("a", "a"))
    for content in ("{", None):
        caplog.clear()
        path.write_text(content) if content else path.unlink()
        for _ in range(3):
            clock.now += 1
            assert keyring.find("a")
        assert [record.levelno for record in caplog.records] == [logging.ERROR]
        assert "the keys stay as they were" in caplog.text
    keyfile.write(path, (make("b", "b"),))
    clock.now += 1
    assert keyring.find("b")


def test_a_file_whose_rights_were_mended_is_read(path: Path):
    keyring, clock = ring(path, make("a", "a"))
    keyfile.write(path, (make("b", "b"),))
    path.chmod(0o666)
    clock.now = 1.0
    assert keyring.find("b") is None
    path.chmod(0o600)
    clock.now = 2.0
    assert keyring.find("b")
