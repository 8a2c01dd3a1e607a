"""Policy files: what is written is read, and what is damaged is told in plain words."""

import json
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.plan import Room
from router.policy.calibrated import CalibratedPolicy
from router.policy.file import Models, PolicyFile, dumps, loads, read, write
from router.policy.table import State

from .tables import HALF, SPLIT, VOTES, cell, option, seen, table

TREE = State(2, True, HALF, SPLIT, (cell(option("dvts", 6, 0.1 / 3, 20.0, m=2)), cell()))
POLICY = PolicyFile(
    made="2026-11-23T20:00:00Z",
    models=Models("small", "judge", "0123456789abcdef"),
    data={"source": "questions.jsonl", "problems": 300, "truth": "answers", "seed": 1},
    table=table(*(s for s in VOTES.states if (s.samples, s.judged) != (2, True)), TREE),
    validation={"policy": [{"price": 0.001, "accuracy": 2 / 3}], "cells": 2, "sorted": (1, 2)},
)
VALID: dict[str, Any] = json.loads(dumps(POLICY))


def places(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in the content that something else could stand in."""
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, child in children:
        yield (*path, key)
        yield from places(child, (*path, key))


def changed(path: tuple[Any, ...], value: Any = None, *, gone: bool = False) -> str:
    content = deepcopy(VALID)
    node = content
    for key in path[:-1]:
        node = node[key]
    if gone:
        del node[path[-1]]
    else:
        node[path[-1]] = value
    return json.dumps(content)


PLACES = list(places(VALID))
CONTENTS = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from([10**400, -1, 0, 1.5]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["then", "n", "x"]), inner, max_size=3),
    max_leaves=4,
)


def test_what_is_written_is_read(tmp_path: Path):
    path = tmp_path / "policy.json"
    write(POLICY, path)
    found = read(path)
    assert (found.made, found.models, found.data, found.version) == (POLICY.made, POLICY.models, POLICY.data, 1)
    assert found.validation == {"policy": [{"price": 0.001, "accuracy": 0.666667}], "cells": 2, "sorted": [1, 2]}
    assert [p.name for p in tmp_path.iterdir()] == ["policy.json"]


def test_writing_what_was_read_changes_nothing():
    assert dumps(loads(dumps(POLICY))) == dumps(POLICY)


def test_a_table_that_was_read_plans_the_same():
    found = loads(dumps(POLICY)).table
    for n, judged in [(0, False), (1, False), (2, True), (4, True), (16, False), (20, False)]:
        where = Room(64, None, None, True, solutions=n, unjudged=0 if judged else n)
        for price in (1e-5, 0.004, 0.03, 0.9):
            for estimate in (0.2, 0.8):
                plans = [
                    CalibratedPolicy(t, price, estimate).plan(seen(n, judged=n if judged else 0) if n else None, where)
                    for t in (found, POLICY.table)
                ]
                assert plans[0] == plans[1]


def test_a_digest_names_the_content():
    assert len(POLICY.digest) == 12
    assert POLICY.digest == loads(dumps(POLICY)).digest
    assert POLICY.digest != replace(POLICY, made="2026-11-24T20:00:00Z").digest


def test_a_file_without_a_scorer_a_fingerprint_or_a_validation_is_one():
    content = deepcopy(VALID)
    content["models"] = {"generator": "small", "scorer": None}
    del content["validation"]
    found = loads(json.dumps(content))
    assert (found.models, found.validation) == (Models("small", None), {})


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("version",), 2, "its version is 2, this software reads 1"),
        (("made",), 7, "7 stands where a text belongs"),
        (("models", "scorer"), 7, "7 stands where a text belongs"),
        (("models",), [], "another form"),
        (("data",), [], r"\[\] stands where an object belongs"),
        (("table", "evidence"), ["agreement"], "fitted to other evidence than this software gathers"),
        (("table", "prices"), [], "its prices do not rise"),
        (("table", "prices"), [0.1, 0.01], "its prices do not rise"),
        (("table", "prices"), [0.0, 0.01], "its prices do not rise"),
        (("table", "unit"), 0, "its unit is not positive"),
        (("table", "unit"), True, "True stands where a number belongs"),
        (("table", "unit"), 10**400, "another form"),
        (("table", "unit"), float("nan"), "nan stands where a number belongs"),
        (("table", "estimate", "scale", 0), 0.0, "a fitted probability is damaged"),
        (("table", "estimate", "weights"), [], "a fitted probability is damaged"),
        (("table", "estimate"), {"bias": 0, "weights": [1], "centre": [0], "scale": [1]}, "fitted to other features"),
        (("table", "states"), [], "its states are not one for each number of solutions"),
        (("table", "states"), VALID["table"]["states"] * 2, "its states are not one for each number of solutions"),
        (("table", "states", 0, "judged"), 1, "does not say whether it is judged"),
        (("table", "states", 0, "samples"), -1, "-1 stands where a count belongs"),
        (("table", "states", 0, "samples"), 1.5, "1.5 stands where a count belongs"),
        (("table", "states", 0, "samples"), 10**12, "stands where a count belongs"),
        (("table", "states", 0, "tree"), 1, "ends in a cell that is not there"),
        (("table", "states", 0, "tree"), None, "None stands where a count belongs"),
        (("table", "states", 0, "pass_rate"), VALID["table"]["estimate"], "weights for other evidence"),
        (("table", "states", -1, "tree", "evidence"), "mood", "asks for evidence that is not known: 'mood'"),
        (("table", "states", -1, "cells", 0, "options", 0, "strategy"), "luck", "a strategy that is not known: 'luck'"),
        (("table", "states", -1, "cells", 0, "options", 0, "strategy"), [], "another form"),
        (("table", "states", -1, "cells", 0, "options", 0, "worth"), [1.0], "not valued at every price"),
        (("table", "states", -1, "cells", 0, "options", 0, "m"), 0, "0 stands where a count belongs"),
    ],
)
def test_what_is_damaged_is_told(path: tuple[Any, ...], value: Any, message: str):
    with pytest.raises(ValueError, match=message):
        loads(changed(path, value))


REQUIRED = [
    p for p in PLACES if isinstance(p[-1], str) and p[0] not in ("data", "validation") and p[-1] != "fingerprint"
]


@given(st.sampled_from(REQUIRED))
def test_what_is_missing_is_told(path: tuple[Any, ...]):
    with pytest.raises(ValueError, match=f"'{path[-1]}' is missing|its version is None"):
        loads(changed(path, gone=True))


def read_or_refused(path: Path) -> PolicyFile | None:
    """Anything else than a ValueError in plain words goes through."""
    try:
        return read(path)
    except ValueError as fault:
        told = str(fault)
    if not told.startswith(f"{path} is no policy file: ") or told.endswith(": "):
        pytest.fail(told)
    return None


@given(st.sampled_from(PLACES), CONTENTS)
def test_whatever_stands_somewhere_is_read_or_refused_and_what_is_read_can_be_used(
    tmp_path_factory: Any, place: tuple[Any, ...], value: Any
):
    path = tmp_path_factory.getbasetemp() / "changed.json"
    path.write_text(changed(place, value))
    if found := read_or_refused(path):
        assert found.digest
        for n in (0, 1, 2, 16):
            for judged in (0, n):
                shown = seen(n, judged=judged) if n else None
                policy = CalibratedPolicy(found.table, 0.002, 0.5, frozenset({"probe"}))
                assert policy.plan(shown, Room(64, None, None, True, n)).reason


@given(st.integers(0, len(dumps(POLICY)) - 2), st.binary(max_size=3))
def test_a_file_that_was_cut_or_written_over_is_read_or_refused(tmp_path_factory: Any, at: int, written: bytes):
    path = tmp_path_factory.getbasetemp() / "damaged.json"
    content = dumps(POLICY).encode()
    path.write_bytes(content[:at])
    assert read_or_refused(path) is None
    path.write_bytes(content[:at] + written + content[at + len(written) :])
    read_or_refused(path)


@pytest.mark.parametrize("text", ["", "[]", "7", "null", '"x"', "[" * 100_000, "9" * 5000, "{}"])
def test_what_is_something_else_is_refused(text: str):
    with pytest.raises(ValueError, match=r"."):
        loads(text)


def test_a_tree_without_end_is_refused():
    deep = '{"evidence":"agreement","at_most":0,"else":0,"then":' * 900 + "0" + "}" * 900
    text = changed(("table", "states", 0, "tree"), "DEEP").replace('"DEEP"', deep)
    with pytest.raises(ValueError, match=r"."):
        loads(text.replace('"else":0', '"else":99'))


def test_a_file_that_is_not_there_is_an_os_error(tmp_path: Path):
    with pytest.raises(OSError, match=r"none\.json"):
        read(tmp_path / "none.json")
    with pytest.raises(OSError, match="nowhere"):
        write(POLICY, tmp_path / "nowhere" / "policy.json")


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path):
    path = tmp_path / "policy.json"
    write(POLICY, path)
    before = path.read_bytes()
    with pytest.raises(TypeError):
        write(replace(POLICY, data={"source": object()}), path)
    assert path.read_bytes() == before
