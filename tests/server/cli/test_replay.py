import io
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from typer.testing import CliRunner

from router.testing import FakeGenerator, FakeScorer
from server.cli.app import app
from server.cli.replay import replay
from server.observers.decisions import Decisions
from server.report import Outcome, Report

from ..observers.reports import REFUSED
from ..observers.searched import fixed, judge, script, searched

DVTS = searched(fixed("dvts", 8))
GENERATOR = FakeGenerator(script, seconds=0.01, lose=1)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "decisions.jsonl"


def written(path: Path, *reports: Report, log_prompts: bool = False) -> str:
    decisions = Decisions(path, log_prompts=log_prompts)
    for report in reports:
        decisions.ended(report)
    decisions.close()
    return str(path)


def shown(capsys: pytest.CaptureFixture[str], file: str, request: str | None = None, last: int | None = None) -> str:
    assert replay(file, request, last, as_json=False) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    return captured.out


def step(**members: Any) -> bytes:
    record = {"v": 1, "id": "r", "seconds": 1.0, "outcome": "answered", "steps": [{"t": 0.5} | members]}
    return orjson.dumps(record)


def test_a_search_is_shown_step_by_step(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = shown(capsys, written(path, DVTS)).splitlines()
    assert lines[0] == "req_1  2026-09-21T14:13:20.000+00:00  math: answered (200) after 0.132 s"
    assert lines[1] == "  key team-a  policy default  seed 1  trace 4bf92f3577b34da6a3ce929d0e0e4736"
    assert lines[2:4] == ["  asked    custom: 32 samples, 60 s", "  granted  16 samples, 60 s"]
    assert lines[4] == "    0.000 s  plan     dvts, n = 8, weighted_majority: asked for by the client"
    assert lines[5] == "    0.040 s  sample   0: 4 tokens, a step"
    told = [line[13:] for line in lines]
    assert "judged   4 candidates with 44 tokens, the best 0.9" in told
    assert "pruned   0.1, 0.2, 0.3" in told
    assert [line for line in told if line.endswith(", ended, answer A")]


def test_the_end_says_why_how_it_was_voted_and_what_it_cost(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = shown(capsys, written(path, searched(fixed("weighted_best_of_n", 8)))).splitlines()
    assert lines[-6:] == [
        "    0.110 s  answered B: 5 of 8 votes, confidence 0.88",
        "  stopped  complete: what was planned has run",
        "  votes    B: 5 (weight 3.65), A: 3 (weight 0.486)",
        "  cost     8 samples, 88 tokens, 144 scorer tokens: 376 tokens of compute",
        "  instead  all 16 samples would have cost about 752: 376 saved (50 %)",
        "  time     0.110 s for models, 0.000 s for its turn, 2.0 ms in the gateway",
    ]


def test_what_the_first_samples_showed_is_told(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys, written(path, searched()))
    assert "looked   4 samples, 50 % agree, mean value 0.446: level 3 of 5 (doubt 0.53)" in text
    assert "plan     weighted_best_of_n, n = 4, weighted_majority: difficulty 3 of 5" in text
    assert "plan     enough: the budget is used" in text


def test_losses_and_failures_are_told(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys, written(path, searched(scorer=FakeScorer(judge, fail_after=0), generator=GENERATOR)))
    assert "lost     1 samples:" in text
    assert "degraded scorer: the fake was told to fail" in text
    assert "call     scorer: ScorerError after 0.000 s" in text
    assert "cause    scorer: the fake was told to fail" in text


def test_a_question_and_its_answers_are_shown_where_they_were_written(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = shown(capsys, written(path, searched(fixed("greedy", 1)), log_prompts=True))
    assert "  user     | CANARYQUESTION: how much is 40 and 2?\n" in text
    assert "  A        41\n" in text
    assert "  reply    | ## Step 1: CANARYSTEP.\n           | \n           | ## Step 2: We add.\n" in text


def test_a_request_that_was_turned_away_says_why(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shed = replace(REFUSED, outcome=Outcome.OVERLOADED, status=503, shed="queue_time", queued=5.0, asked=DVTS.asked)
    lines = shown(capsys, written(path, shed)).splitlines()
    assert lines[0].endswith("no model: overloaded (503) after 0.001 s")
    assert lines[1:] == [
        "  asked    custom: 32 samples, 60 s",
        "  granted  nothing",
        "  waited   5.000 s for its turn",
        "  refused  queue_time",
    ]


def test_the_whole_budget_and_an_overrun_are_told(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert DVTS.answer
    beyond = replace(DVTS, asked=DVTS.budget, answer=replace(DVTS.answer, overrun=7))
    text = shown(capsys, written(path, beyond))
    assert "  granted  all of it\n" in text
    assert "  overrun  7 tokens of compute beyond what was set aside\n" in text


@pytest.fixture
def three(path: Path) -> str:
    traced = (replace(DVTS, request_id=f"r{n}", trace_id=f"t{n}") for n in range(3))
    return written(path, *traced)


@pytest.mark.parametrize(
    ("request_id", "last", "ids"),
    [(None, None, ["r0", "r1", "r2"]), ("r1", None, ["r1"]), ("t2", None, ["r2"]), (None, 2, ["r1", "r2"])],
)
def test_requests_are_picked_by_id_by_trace_or_from_the_end(
    three: str, request_id: str | None, last: int | None, ids: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    text = shown(capsys, three, request_id, last)
    assert [part.split()[0] for part in text.split("\n\n")] == ids


def test_programs_get_the_records_themselves(three: str, path: Path) -> None:
    done = CliRunner().invoke(app, ["replay", three, "--json", "--last", "1"])
    assert done.exit_code == 0
    assert orjson.loads(done.stdout) == orjson.loads(path.read_bytes().splitlines()[-1])


def test_standard_input_is_read_for_a_dash(three: str) -> None:
    done = CliRunner().invoke(app, ["replay", "-", "--request", "r1"], input=Path(three).read_bytes())
    assert done.exit_code == 0
    assert done.stdout.startswith("r1  ")


def test_no_record_is_no_success(three: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert replay(three, "nobody", None, as_json=False) == 1
    assert capsys.readouterr().err == "There is no record of nobody.\n"


def test_an_empty_file_is_no_success(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path.write_bytes(b"\n")
    assert replay(str(path), None, None, as_json=False) == 1
    assert capsys.readouterr().err == "There is no record.\n"


@pytest.mark.parametrize("there", [False, True])
def test_what_cannot_be_read_is_bad_input(there: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path if there else tmp_path / "none"
    assert replay(str(file), None, None, as_json=False) == 2
    assert "cannot be read" in capsys.readouterr().err


def test_damaged_lines_are_told_and_skipped(three: str, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = path.read_bytes().splitlines()
    damaged = [b'{"v": 1, "id"', good[0], b"[1]", b"\xff\xfe", b'{"v": 1, "id": 7, "seconds": 1, "outcome": "x"}', b""]
    path.write_bytes(b"\n".join([*damaged, good[1]]))
    assert replay(three, None, None, as_json=False) == 0
    captured = capsys.readouterr()
    assert [part.split()[0] for part in captured.out.split("\n\n")] == ["r0", "r1"]
    assert captured.err.splitlines() == [
        "line 1 is damaged: it is no JSON",
        "line 3 is no record of decisions: the line is missing or not what it should be",
        "line 4 is damaged: it is no JSON",
        "line 5 is no record of decisions: id is missing or not what it should be",
    ]


@pytest.mark.parametrize(
    ("members", "told"),
    [
        ({"kind": "merged", "paths": [[0, 1]]}, '0.500 s  merged {"paths":[[0,1]]}'),
        ({"kind": "scored", "judges": 3}, '0.500 s  scored {"judges":3}'),
        ({"kind": "pruned", "paths": 3}, '0.500 s  pruned {"paths":3}'),
        ({"kind": "aborted", "samples": 2}, "0.500 s  aborted  2 samples: more would not be worth it"),
        ({"kind": "scored", "candidates": 1, "tokens": 9, "best": None}, "judged   1 candidates with 9 tokens"),
        ({"kind": "sampled", "path": [3], "tokens": 5, "finish": "new", "answer": None}, "sample   3: 5 tokens, new"),
        ({"kind": "planned", "strategy": "x", "n": 2, "aggregate": "y", "reason": ""}, "plan     x, n = 2, y"),
    ],
)
def test_what_is_not_known_is_shown_as_it_is(
    members: dict[str, Any], told: str, path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path.write_bytes(step(**members))
    assert shown(capsys, str(path)).endswith(told + "\n")


def test_a_stop_of_a_newer_version_is_shown(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path.write_bytes(b'{"v": 2, "id": "r", "seconds": 1, "outcome": "answered", "stopped": "bored", "mood": "new"}')
    assert "  stopped  bored: for a reason this version does not know\n" in shown(capsys, str(path))


def test_a_calibrated_chance_is_told(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    seen = {"samples": 1, "agreement": 1.0, "value": None, "score": 0.1, "level": 1, "pass_rate": 0.93}
    path.write_bytes(step(kind="probed", difficulty=seen))
    assert "looked   1 samples, 100 % agree: level 1 of 5 (doubt 0.10), one more would be right with 0.93" in shown(
        capsys, str(path)
    )


def test_nothing_in_a_record_writes_to_the_terminal(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evil = searched(fixed("greedy", 1), question="\x1b[2J\nreq_9  forged")
    text = shown(capsys, written(path, replace(evil, model="m\nreq_9\x1b[0m"), log_prompts=True))
    assert "\x1b" not in text
    assert not [line for line in text.splitlines() if line.startswith("req_9")]


def test_the_command_says_what_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    done = CliRunner().invoke(app, ["replay", "--help"], env={"COLUMNS": "120", "NO_COLOR": "1", "TERM": "dumb"})
    assert done.exit_code == 0
    assert all(option in done.stdout for option in ("--request", "--last", "--json"))
