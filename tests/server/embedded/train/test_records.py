from pathlib import Path

import pytest

from server.embedded.train.records import Record, Sampled, read, write

RECORD = Record("What is 1 + 2?", "arithmetic", 1, [1, 3, 4], [Sampled([5, 2], "3", True, [True, False])])


def test_records_are_read_as_they_were_written(tmp_path: Path):
    path = tmp_path / "samples.jsonl"
    assert write(path, [RECORD, RECORD]) == 2
    assert list(read(path)) == [RECORD, RECORD]


@pytest.mark.parametrize("line", ["nonsense", "[]", '{"question": "?"}', '{"samples": [{"ids": []}]}'])
def test_a_line_that_is_no_record_is_named(tmp_path: Path, line: str):
    path = tmp_path / "samples.jsonl"
    write(path, [RECORD])
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(ValueError, match="line 2"):
        list(read(path))
