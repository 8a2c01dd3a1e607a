"""A sweep counts what was right and what it cost, and goes on where it stopped."""

from pathlib import Path

import pytest

from router.evaluation.sweep import Arm, Item, Journal, Mark, Models, sweep, time
from router.policy.fixed import FixedPolicy
from router.testing import FakeGenerator, FakeScorer, run
from router.types import Message, Problem

HEADING: dict[str, object] = {"problems": 4, "seed": 0}


def script(_prefix: str, _seed: int) -> str:
    return "The answer is \\boxed{1}."


def item(level: int | None, right: str) -> Item:
    async def mark(answer: str | None) -> Mark:
        if right == "?":
            return Mark.UNDECIDED
        return Mark.RIGHT if answer == right else Mark.WRONG

    return Item(Problem((Message("user", f"level {level}"),)), level, mark)


ITEMS = [item(1, "1"), item(None, "1"), item(3, "?"), item(3, "2")]


def arm(strategy: str = "majority_voting", n: int = 4, provenance: str = "", **options: bool) -> Arm:
    policy = FixedPolicy(strategy, n)
    return Arm(f"{strategy}@{n}", strategy, n, lambda _: policy, provenance, **options)


ARM = arm()


def journal(path: Path | None = None) -> Journal:
    return Journal(path, HEADING, lambda: None)


class Counted:
    """Models made anew for each request; `drawn` counts the samples of all."""

    def __init__(self, *, fail: bool = False) -> None:
        self.generator, self.scorer = FakeGenerator(script, seconds=0.5, fail=fail), FakeScorer(lambda _: 0.5)
        self.made = 0

    def __call__(self) -> Models:
        self.made += 1
        return Models(self.generator, self.scorer)


def test_every_item_is_run_once_with_models_of_its_own_and_graded():
    notes, models = journal(), Counted()
    run(sweep(ARM, ITEMS, models, notes, seed=0, concurrency=2))
    assert models.made == 4
    assert [(r.item, r.level, r.correct, r.undecided) for r in notes.of(ARM.name)] == [
        (0, 1, True, False),
        (1, None, True, False),
        (2, 3, False, True),
        (3, 3, False, False),
    ]
    # the fourth sample cannot change the vote any more: it is given up, but what it had written is charged
    assert {(r.samples, r.tokens, r.scorer_tokens, r.rate) for r in notes.records} == {(3, 16, 0, None)}


def test_a_policy_is_made_for_each_problem():
    asked = list[Problem]()

    def policy(problem: Problem) -> FixedPolicy:
        asked.append(problem)
        return FixedPolicy("greedy", 1)

    run(sweep(Arm("x@1", "x", 1, policy), ITEMS, Counted(), journal(), seed=0, concurrency=1))
    assert asked == [i.question for i in ITEMS]


def test_an_arm_without_a_scorer_never_asks_it():
    models = Counted()
    run(sweep(arm("weighted_best_of_n", verified=False), ITEMS, models, journal(), seed=0, concurrency=1))
    assert models.scorer.calls == 0
    run(sweep(arm("weighted_best_of_n"), ITEMS, models, journal(), seed=0, concurrency=1))
    assert models.scorer.calls == 4


def test_the_pass_rate_is_the_share_of_right_samples():
    notes, models = journal(), Counted()
    models.generator.script = lambda _, seed: f"The answer is \\boxed{{{seed % 2}}}."  # a draw, up to the last sample
    run(sweep(arm(rated=True), ITEMS, models, notes, seed=0, concurrency=1))
    assert [r.rate for r in notes.of(ARM.name)] == [0.5, 0.5, 0.0, 0.0]


@pytest.mark.parametrize("rated", [False, True])
def test_an_item_nothing_answers_is_wrong_and_costs_nothing(rated: bool):
    notes = journal()
    run(sweep(arm(rated=rated), ITEMS[:1], Counted(fail=True), notes, seed=0, concurrency=1))
    (record,) = notes.records
    assert (record.correct, record.samples, record.compute, record.stopped) == (False, 0, 0, "")
    assert record.rate == (0.0 if rated else None)


def test_what_is_on_record_is_not_run_again(tmp_path: Path):
    file = tmp_path / "records.jsonl"
    run(sweep(ARM, ITEMS[:2], Counted(), journal(file), seed=0, concurrency=1))
    again, notes = Counted(), journal(file)
    run(sweep(ARM, ITEMS, again, notes, seed=0, concurrency=1))
    assert again.generator.drawn == 8
    assert len(notes.of(ARM.name)) == 4


def test_records_of_another_policy_are_kept_apart(tmp_path: Path):
    notes = journal(tmp_path / "records.jsonl")
    for digest in ("old", "new"):
        run(sweep(arm(provenance=digest), ITEMS, Counted(), notes, seed=0, concurrency=1))
    read = journal(tmp_path / "records.jsonl")
    assert [len(read.of(ARM.name, digest)) for digest in ("old", "new", "other")] == [4, 4, 0]
    assert read.has(ARM.name, 0, "old")
    assert not read.has(ARM.name, 0)


def test_a_line_cut_by_an_interruption_is_done_again(tmp_path: Path):
    file = tmp_path / "records.jsonl"
    run(sweep(ARM, ITEMS[:2], Counted(), journal(file), seed=0, concurrency=1))
    file.write_text(file.read_text()[:-20])
    notes = journal(file)
    assert [r.item for r in notes.records] == [0]
    run(sweep(ARM, ITEMS[:2], Counted(), notes, seed=0, concurrency=1))
    assert [r.item for r in journal(file).of(ARM.name)] == [0, 1]


def test_records_of_something_else_are_refused(tmp_path: Path):
    file = tmp_path / "records.jsonl"
    journal(file)
    with pytest.raises(ValueError, match="another evaluation"):
        Journal(file, {"problems": 4, "seed": 1}, lambda: None)


def test_times_are_taken_one_at_a_time_on_the_loops_clock():
    done = list[int]()
    seconds = run(time(ARM, list(enumerate(ITEMS[:3])), Counted()(), 0, lambda: done.append(1)))
    assert seconds == [2.0, 2.0, 2.0]
    assert len(done) == 3
