"""A sweep counts what was right and what it cost, and goes on where it stopped."""

from pathlib import Path

import pytest

from router.evaluation.sweep import Arm, Item, Journal, Models, Record, accuracy, sweep, time
from router.policy.fixed import FixedPolicy
from router.testing import FakeGenerator, FakeScorer, run
from router.types import Message, Problem

HEADING: dict[str, object] = {"problems": 4, "seed": 0}


def script(_prefix: str, _seed: int) -> str:
    return "The answer is \\boxed{1}."


def item(level: int, right: str) -> Item:
    return Item(Problem((Message("user", f"level {level}"),)), level, lambda answer: answer == right)


ITEMS = [item(1, "1"), item(1, "1"), item(3, "1"), item(3, "2")]
ARM = Arm("majority_voting", 4, FixedPolicy("majority_voting", 4))


def journal(path: Path | None = None) -> Journal:
    return Journal(path, HEADING, lambda: None)


def models(*, fail: bool = False) -> Models:
    return Models(FakeGenerator(script, seconds=0.5, fail=fail), FakeScorer(lambda _: 0.5))


def test_every_item_is_run_once_and_graded():
    notes = journal()
    run(sweep(ARM, ITEMS, models(), notes, seed=0, concurrency=2))
    assert [(r.item, r.level, r.correct) for r in notes.of(ARM.name)] == [
        (0, 1, True),
        (1, 1, True),
        (2, 3, True),
        (3, 3, False),
    ]
    assert {(r.samples, r.tokens, r.scorer_tokens) for r in notes.records} == {(4, 16, 0)}


def test_accuracy_is_by_level():
    notes = journal()
    run(sweep(ARM, ITEMS, models(), notes, seed=0, concurrency=4))
    assert accuracy(notes.records).mean == 0.75
    assert accuracy(notes.records, (3,)).mean == 0.5
    with pytest.raises(ValueError, match="no record"):
        accuracy(notes.records, (5,))


def test_an_item_nothing_answers_is_wrong_and_costs_nothing():
    notes = journal()
    run(sweep(ARM, ITEMS[:1], models(fail=True), notes, seed=0, concurrency=1))
    assert notes.records == [Record(ARM.name, 0, 1, correct=False, samples=0, tokens=0, scorer_tokens=0, compute=0)]


def test_what_is_on_record_is_not_run_again(tmp_path: Path):
    file = tmp_path / "records.jsonl"
    run(sweep(ARM, ITEMS[:2], models(), journal(file), seed=0, concurrency=1))
    again = models()
    notes = journal(file)
    run(sweep(ARM, ITEMS, again, notes, seed=0, concurrency=1))
    assert isinstance(again.generator, FakeGenerator)
    assert again.generator.drawn == 8
    assert len(notes.of(ARM.name)) == 4


def test_a_line_cut_by_an_interruption_is_done_again(tmp_path: Path):
    file = tmp_path / "records.jsonl"
    run(sweep(ARM, ITEMS[:2], models(), journal(file), seed=0, concurrency=1))
    file.write_text(file.read_text()[:-20])
    notes = journal(file)
    assert [r.item for r in notes.records] == [0]
    run(sweep(ARM, ITEMS[:2], models(), notes, seed=0, concurrency=1))
    assert [r.item for r in journal(file).of(ARM.name)] == [0, 1]


def test_records_of_something_else_are_refused(tmp_path: Path):
    file = tmp_path / "records.jsonl"
    journal(file)
    with pytest.raises(ValueError, match="another evaluation"):
        Journal(file, {"problems": 4, "seed": 1}, lambda: None)


def test_times_are_taken_one_at_a_time_on_the_loops_clock():
    done = list[int]()
    seconds = run(time(ARM, ITEMS[:3], models(), 0, lambda: done.append(1)))
    assert seconds == [2.0, 2.0, 2.0]
    assert len(done) == 3
