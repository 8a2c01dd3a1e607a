"""`cogitate eval` as a person types it, with the shipped models; and what its rows stand for."""

import json
from pathlib import Path
from typing import Any

import pytest

from router.difficulty.prompt import FEATURES
from router.evaluation.sweep import Mark
from router.plan import Room
from router.policy.calibrated import CalibratedPolicy
from router.policy.default import DefaultPolicy
from router.policy.table import Logistic, Table
from router.testing import run
from router.types import Message, Problem
from server.cli.arms import DEFAULT, Rules, arms_of, is_fixed, rating, rules_from
from server.cli.sources import SYSTEM, Wanted, opened_source
from server.gateway.choices import OneSample

from .test_commands import cogitate

SUM = Problem((Message("user", "What is 3 + 4 * 5?"),))
CHAT = Problem((Message("user", "Write me a long and cheerful poem about the sea, please."),))
_ANY = len(FEATURES)
TABLE = Table(70.0, (0.0001, 0.01), Logistic(0.0, (0.0,) * _ANY, (0.0,) * _ANY, (1.0,) * _ANY), ())
CALIBRATED = Rules(0.0025, TABLE, "abc")


def evaluated(folder: Path, *options: str) -> dict[str, Any]:
    done = cogitate("eval", "--problems", "10", "--json", str(folder / "r.json"), *options)
    assert done.returncode == 0, done.stderr
    return {"out": done.stdout, **json.loads((folder / "r.json").read_text())}


def test_a_table_a_json_and_a_plot_are_written_and_what_was_done_is_not_done_again(tmp_path: Path):
    first = evaluated(tmp_path, "--timed", "1", "--arms", "greedy@1,weighted_best_of_n@2")
    assert "weighted_best_of_n" in first["out"]
    assert [(r["strategy"], r["samples"]) for r in first["rows"]] == [("greedy", 1), ("weighted_best_of_n", 2)]
    assert first["rows"][0]["levels"]["1"]["mean"] > first["rows"][0]["levels"]["5"]["mean"]
    assert {c["second"] for c in first["comparisons"]} == {"greedy@1"}
    assert all(r["p50"] <= r["p95"] for r in first["rows"])
    assert (tmp_path / "r.png").read_bytes().startswith(b"\x89PNG")
    records, tape = tmp_path / "r0.records.jsonl", tmp_path / "r0.tape.jsonl"
    before, drawn = records.read_text().splitlines(), len(tape.read_text().splitlines())
    evaluated(tmp_path, "--timed", "0", "--arms", "greedy@1,majority_voting@2")
    after = records.read_text().splitlines()
    assert after[: len(before)] == before
    assert len(after) == len(before) + 10  # only the new row was run
    assert len(tape.read_text().splitlines()) == drawn  # and it drew nothing new


def test_seeds_router_oracle_and_what_they_are_worth(tmp_path: Path):
    arms = "greedy@1,weighted_best_of_n@8,router@8,router@auto:0.01,majority_voting-decided@8"
    found = evaluated(tmp_path, "--seeds", "0,1", "--timed", "1", "--arms", arms, "--reference", "weighted_best_of_n@8")
    rows = {r["name"]: r for r in found["rows"]}
    assert list(rows)[:2] == ["greedy@1", "oracle@1"]
    assert {"oracle@8", "oracle@64"} <= rows.keys()
    assert (found["seeds"], found["problems"], rows["router@8"]["accuracy"]["n"]) == ([0, 1], 10, 20)
    assert rows["oracle@8"]["p50"] is not None
    assert rows["majority_voting-decided@8"]["samples"] == 8
    assert {b["router"] for b in found["best"]} == {"router@8", "router@auto:0.01"}
    assert {b["fixed"] for b in found["best"]} <= {"greedy@1", "weighted_best_of_n@8", "majority_voting-decided@8"}
    assert [(r["router"], r["budgets"]) for r in found["regrets"]] == [("router", [8])]
    assert [m["curve"] for m in found["matched"]] == [["router@8"], ["router@auto:0.01"]]
    assert "regret" in found["out"]
    assert {p.name for p in tmp_path.glob("*.jsonl")} == {
        f"r{s}.{w}.jsonl" for s in (0, 1) for w in ("tape", "records")
    }


def test_a_tape_can_be_used_by_another_evaluation(tmp_path: Path):
    evaluated(tmp_path, "--timed", "0", "--arms", "majority_voting@4")
    tape = tmp_path / "r0.tape.jsonl"
    drawn = tape.read_text()
    other = tmp_path / "other"
    other.mkdir()
    evaluated(other, "--timed", "0", "--arms", "majority_voting@2", "--tape", str(tmp_path / "r"))
    assert tape.read_text() == drawn
    assert not (other / "r0.tape.jsonl").exists()


def test_records_of_another_evaluation_are_not_mixed_in(tmp_path: Path):
    evaluated(tmp_path, "--timed", "0", "--arms", "greedy@1")
    other = cogitate(
        "eval", "--problems", "5", "--timed", "0", "--arms", "greedy@1", "--json", str(tmp_path / "r.json")
    )
    assert other.returncode == 2
    assert "something else" in other.stderr


def test_the_questions_of_a_file_are_asked_and_what_cannot_be_compared_is_not_right(tmp_path: Path):
    file, bad = tmp_path / "q.jsonl", "x" * 5000
    lines = [("What is 3 + 4 * 5?", "46/2"), ("What is 2 + 2?", "5"), ("What is 1 + 1?", bad)]
    file.write_text("".join(json.dumps({"question": q, "answer": a}) + "\n" for q, a in lines))
    found = evaluated(tmp_path, "--dataset", str(file), "--timed", "1", "--arms", "greedy@1", "--system", "")
    (row,) = found["rows"]
    assert (found["problems"], row["levels"], row["harder"]) == (3, {}, None)
    assert row["accuracy"]["mean"] == pytest.approx(1 / 3)
    assert row["undecided"] == pytest.approx(1 / 3)
    assert "undecided" in found["out"]
    fewer = cogitate(
        "eval", "--dataset", str(file), "--limit", "1", "--timed", "0", "--arms", "greedy@1", "--seeds", "0,1"
    )
    assert fewer.returncode == 0, fewer.stderr
    assert "1 problems, q.jsonl, seeds 0, 1" in fewer.stdout


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--arms", "luck@3"], "luck@3"),
        (["--arms", "dvts"], "dvts"),
        (["--arms", "dvts@auto"], "dvts@auto"),
        (["--arms", "dvts-probe@4"], "dvts-probe@4"),
        (["--arms", "greedy@0"], "greedy@0"),
        (["--arms", "greedy@1,greedy@1"], "twice"),
        (["--arms", "router-probe@16"], "--policy"),
        (["--arms", "router@auto:7"], "price"),
        (["--split", "exam"], "exam"),
        (["--seeds", "one"], "one"),
        (["--seeds", "1,1"], "twice"),
        (["--price", "0"], "price"),
        (["--limit", "3"], "--dataset"),
        (["--dataset", "no/such/file.jsonl"], "no/such"),
        (["--policy", "no/such/policy.json"], "no/such"),
        (["--json", "no/such/folder/r.json"], "no/such"),
    ],
)
def test_an_evaluation_that_makes_no_sense_is_refused(options: list[str], named: str):
    done = cogitate("eval", "--problems", "5", *options)
    assert done.returncode == 2
    assert named in done.stderr
    assert "Traceback" not in done.stderr


def test_questions_without_an_answer_are_refused(tmp_path: Path):
    (tmp_path / "q.jsonl").write_text('{"question": "Why?"}\n')

    async def opened() -> None:
        async with opened_source(Wanted(5, "test", tmp_path / "q.jsonl")):
            raise AssertionError

    with pytest.raises(ValueError, match="no answer"):
        run(opened())


def test_the_questions_of_a_file_come_with_instructions_and_no_answer_is_wrong(tmp_path: Path):
    (tmp_path / "q.jsonl").write_text('{"question": "What is 1 + 1?", "answer": "2"}\n')

    async def asked() -> None:
        async with opened_source(Wanted(5, "test", tmp_path / "q.jsonl")) as source:
            (item,) = source.items(0)
            assert [m.content for m in item.question.messages] == [SYSTEM, "What is 1 + 1?"]
            assert source.crossed
            assert [await item.mark(a) for a in ("2", "3", None)] == [Mark.RIGHT, Mark.WRONG, Mark.WRONG]

    run(asked())


def test_the_routers_rows_plan_as_a_client_is_served():
    by_name = {arm.name: arm for arm in arms_of("router@16,router@auto,router@auto:0.01,router-probe@4", CALIBRATED)}
    spent, auto, dear, blind = (arm.policy(SUM) for arm in by_name.values())
    assert isinstance(spent, CalibratedPolicy)
    assert isinstance(auto, CalibratedPolicy)
    assert isinstance(dear, CalibratedPolicy)
    assert isinstance(blind, CalibratedPolicy)
    assert (spent.price, auto.price, dear.price) == (0.00002, 0.0025, 0.01)
    assert (spent.without, blind.without) == (frozenset(), frozenset({"probe"}))
    assert [arm.samples for arm in by_name.values()] == [16, 64, 64, 4]
    assert by_name["router@auto:0.01"].provenance == "abc, price 0.01"
    assert isinstance(by_name["router@auto"].policy(CHAT), OneSample)
    assert isinstance(by_name["router@16"].policy(CHAT), CalibratedPolicy)  # the samples were asked for


def test_without_the_scorer_there_is_none_and_without_a_policy_file_the_default_plans():
    assert [arm.verified for arm in arms_of("router-scorer@4,router@4", CALIBRATED)] == [False, True]
    spent, auto = arms_of("router@16,router@auto", rules_from(None, 0.0025))
    assert (spent.policy(SUM), auto.policy(SUM)) == (DefaultPolicy(), DefaultPolicy(thrifty=True))
    assert auto.provenance == "default, price 0.0025"


def test_a_fixed_row_draws_all_its_samples_unless_it_is_told_that_it_may_stop():
    room = Room(samples=8, tokens=None, seconds=None, verified=True)
    whole, decided = (arm.policy(SUM) for arm in arms_of("majority_voting@8,majority_voting-decided@8", CALIBRATED))
    assert whole.plan(None, room).stopping is None
    assert decided.plan(None, room).stopping is not None
    assert (whole.plan(None, room).n, whole.probe(room)) == (8, 0)


def test_pass_rates_come_from_the_most_independent_samples_of_a_row():
    arms = arms_of(DEFAULT, CALIBRATED)
    assert {a.name for a in arms if not is_fixed(a)} == {"router@4", "router@16", "router@64", "router@auto"}
    rates = rating(arms)
    assert rates
    assert (rates.name, rates.samples, rates.rated) == ("pass_rate@64", 64, True)
    assert rating(arms_of("dvts@64,majority_voting@4", CALIBRATED)) is None
