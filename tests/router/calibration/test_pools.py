"""Files of pools: what is written is read, wherever the writing was interrupted."""

import errno
import json
from dataclasses import replace
from pathlib import Path
from time import perf_counter

import pytest

from router.calibration.pools import Heading, Pool, PoolFile, Searched, Solution, read_pools

HEADING = Heading(
    generator="small",
    scorer="judge",
    fingerprint=None,
    ratio=3.5,
    source="questions.jsonl",
    digest="0123456789abcdef",
    seed=7,
    samples=3,
    searches=("dvts@4",),
    features=("length", "words"),
)


def pool(item: int, name: str = "") -> Pool:
    solutions = (
        Solution(12, -1.25, 0, True, 0.875, 40),
        Solution(15, -3.5, -1, False, 1.5e-9, 9),
        Solution(9, -0.5, 1, False, None, 0),
    )
    searches = (Searched("dvts", 4, 4, True, 321),)
    return Pool(item, name or f"q{item}", 3, 20, (1.5, 0.25), solutions, searches, agreed=item == 1, undecided=item)


def written(path: Path, pools: list[Pool]) -> bytes:
    with PoolFile(path, HEADING) as file:
        for one in pools:
            file.add(one)
        file.end(len(pools))
    return path.read_bytes()


def test_what_is_written_is_read(tmp_path: Path):
    pools = [pool(0), pool(1, "ü\n\u2028\"'"), replace(pool(2), level=None, searches=(), solutions=())]
    written(tmp_path / "a.jsonl", pools)
    recording = read_pools(tmp_path / "a.jsonl")
    assert (recording.heading, recording.asked, recording.damaged) == (HEADING, 3, 0)
    assert list(recording.pools) == pools


def test_a_file_cut_at_any_byte_is_gone_on_with(tmp_path: Path):
    path = tmp_path / "a.jsonl"
    pools = [pool(0), pool(1, "ü"), pool(2)]
    whole = written(path, pools)
    ends = [i + shift for i, byte in enumerate(whole) if byte == 10 for shift in (-1, 0, 1, 2)]
    for cut in sorted({*range(0, len(whole), 23), *ends}):
        path.write_bytes(whole[:cut])
        with PoolFile(path, HEADING) as file:
            kept = list(file.pools)
            for one in pools:
                if not file.has(one.item):
                    file.add(one)
            file.end(3)
        assert kept == pools[: max(0, whole[:cut].count(b"\n") - 1)]
        recording = read_pools(path)
        assert (list(recording.pools), recording.damaged, recording.asked) == (pools, 0, 3)


def test_a_file_that_was_cut_can_be_read_as_it_is(tmp_path: Path):
    path = tmp_path / "a.jsonl"
    whole = written(path, [pool(0), pool(1)])
    path.write_bytes(whole[:-30])
    recording = read_pools(path)
    assert (list(recording.pools), recording.asked, recording.damaged) == ([pool(0)], None, 0)


def test_damaged_lines_are_left_out_and_counted(tmp_path: Path):
    path = tmp_path / "a.jsonl"
    lines = written(path, [pool(0), pool(1), pool(2)]).splitlines()
    uneven = json.loads(lines[2])
    uneven["tokens"] = uneven["tokens"][:-1]
    path.write_bytes(b"\n".join([lines[0], b"\0\xff", json.dumps(uneven).encode(), b"3", lines[3], b""]))
    recording = read_pools(path)
    assert (list(recording.pools), recording.damaged) == ([pool(2)], 3)
    with PoolFile(path, HEADING) as file:
        assert [file.has(item) for item in range(3)] == [False, False, True]


def test_a_pool_that_is_there_twice_counts_once(tmp_path: Path):
    written(tmp_path / "a.jsonl", [pool(0), pool(0)])
    assert read_pools(tmp_path / "a.jsonl").pools == (pool(0),)


def test_a_file_of_other_pools_is_not_gone_on_with(tmp_path: Path):
    before = written(tmp_path / "a.jsonl", [pool(0)])
    with pytest.raises(ValueError, match="another generator, seed"):
        PoolFile(tmp_path / "a.jsonl", replace(HEADING, seed=8, generator="large"))
    assert (tmp_path / "a.jsonl").read_bytes() == before


@pytest.mark.parametrize(
    "content", [b"{}\n", b"[1]\n", b"nothing\n", b"not a pool", b'{"pools":1,"of":{}}\n', b'{"pools":1,"of":3}\n']
)
def test_a_file_of_something_else_is_left_alone(tmp_path: Path, content: bytes):
    path = tmp_path / "a.jsonl"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="no file of pools"):
        PoolFile(path, HEADING)
    assert path.read_bytes() == content
    with pytest.raises(ValueError, match="no file of pools"):
        read_pools(path)


def test_an_empty_file_is_no_recording_but_can_become_one(tmp_path: Path):
    path = tmp_path / "a.jsonl"
    path.touch()
    with pytest.raises(ValueError, match="no file of pools"):
        read_pools(path)
    PoolFile(path, HEADING).__exit__(None, None, None)
    assert read_pools(path).pools == ()


def test_pools_of_a_later_version_are_refused_by_name(tmp_path: Path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"pools":2,"of":{"what":"is new"}}\n')
    with pytest.raises(ValueError, match="version 2"):
        read_pools(path)


def test_a_full_disk_is_told_and_leaves_a_file_that_can_be_gone_on_with(tmp_path: Path):
    class Full:
        """Takes ten bytes more, as a nearly full disk does."""

        def __init__(self, path: Path) -> None:
            self._file = path.open("ab", buffering=0)
            self._room = 10

        def write(self, data: memoryview) -> int:
            if not self._room:
                raise OSError(errno.ENOSPC, "No space left on device")
            count = self._file.write(data[: self._room])
            self._room -= count
            return count

        def close(self) -> None:
            self._file.close()

    path = tmp_path / "a.jsonl"
    with PoolFile(path, HEADING) as file:
        file.add(pool(0))
        file._file.close()
        file._file = Full(path)  # type: ignore[assignment]
        with pytest.raises(OSError, match="No space"):
            file.add(pool(1))
        assert not file.has(1)
    assert not path.read_bytes().endswith(b"\n")
    with PoolFile(path, HEADING) as file:
        assert file.pools == [pool(0)]
        file.add(pool(1))
    assert read_pools(path).pools == (pool(0), pool(1))


def test_a_number_that_is_none_is_not_written(tmp_path: Path):
    broken = replace(pool(0), features=(float("nan"),))
    with PoolFile(tmp_path / "a.jsonl", HEADING) as file, pytest.raises(ValueError, match="JSON"):
        file.add(broken)
    assert read_pools(tmp_path / "a.jsonl").pools == ()


def test_many_pools_are_read_quickly(tmp_path: Path):
    solutions = tuple(Solution(70 + i, -1.5 * i, i % 5, i % 2 == 0, 0.5 / (i + 1), i) for i in range(64))
    written(tmp_path / "a.jsonl", [replace(pool(i), solutions=solutions) for i in range(1500)])
    start = perf_counter()
    recording = read_pools(tmp_path / "a.jsonl")
    assert perf_counter() - start < 5  # half a second on an idle machine
    assert len(recording.pools) == 1500
