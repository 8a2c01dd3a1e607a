"""A replayed sample is the sample that was drawn, at the price it had."""

import asyncio
from pathlib import Path

import pytest

from router.answering import Answer, answer
from router.budget import Budget
from router.evaluation.recording import RecordedGenerator, RecordedScorer, Tape
from router.plan import Policy
from router.policy.default import DefaultPolicy
from router.policy.fixed import FixedPolicy
from router.ports import Draw, GeneratorError, Tally
from router.testing import FakeGenerator, FakeScorer, run
from router.types import ROOT, Candidate, Finish, Message, Problem, Sample
from server.embedded.problems import splits
from server.embedded.scoring import BATCH_TOKENS
from server.gateway import Model
from server.settings import Settings
from server.wiring import opened

PROBLEM = Problem((Message("user", "How many?"),))
HEADING = {"problems": 1}


def script(_prefix: str, seed: int) -> str:
    return f"Some words.\n\nThe answer is \\boxed{{{seed % 3}}}."


def judge(text: str) -> float:
    return 0.9 if "{1}" in text else 0.4


class Recorded:
    def __init__(self, tape: Tape | None = None) -> None:
        self.generator, self.scorer = FakeGenerator(script), FakeScorer(judge)
        self.tape = tape or Tape()

    def ask(self, strategy: str, n: int, seed: int = 1) -> Answer:
        return run(
            answer(
                PROBLEM,
                Budget(samples=n),
                generator=RecordedGenerator(self.generator, self.tape),
                scorer=RecordedScorer(self.scorer, self.tape),
                policy=FixedPolicy(strategy, n),
                seed=seed,
            )
        )


def draw(count: int, seed: int = 0) -> Draw:
    return Draw(PROBLEM, ROOT, count, seed, 50, whole=True, temperature=0.8)


def test_a_larger_vote_draws_only_what_a_smaller_one_did_not():
    record = Recorded()
    record.ask("majority_voting", 4)
    assert record.generator.drawn == 4
    record.ask("majority_voting", 16)
    assert record.generator.drawn == 16


def test_another_strategy_on_the_same_samples_costs_no_generation_and_reports_the_same_tokens():
    record = Recorded()
    first = record.ask("best_of_n", 8)
    calls = record.scorer.calls
    second = record.ask("weighted_best_of_n", 8)
    assert (record.generator.drawn, record.scorer.calls) == (8, calls)
    assert second.spent == first.spent


@pytest.mark.parametrize("strategy", ["dvts", "beam_search", "weighted_best_of_n"])
def test_a_replay_from_a_file_gives_what_the_first_run_gave(strategy: str, tmp_path: Path):
    first = Recorded(Tape(tmp_path / "tape.jsonl", HEADING)).ask(strategy, 8)
    again = Recorded(Tape(tmp_path / "tape.jsonl", HEADING))
    assert again.ask(strategy, 8) == first
    assert (again.generator.drawn, again.scorer.calls) == (0, 0)


def test_another_seed_is_another_draw():
    record = Recorded()
    record.ask("majority_voting", 4, seed=1)
    record.ask("majority_voting", 4, seed=2)
    assert record.generator.drawn == 8


def test_only_the_gaps_of_a_record_are_drawn():
    fake, tape = FakeGenerator(script), Tape()

    async def drawn(seed: int, count: int) -> list[int]:
        tally = Tally()
        found = [(j, s.tokens) async for j, s in RecordedGenerator(fake, tape).sample(draw(count, seed), tally)]
        assert tally.tokens == sum(tokens for _, tokens in found)
        return sorted(j for j, _ in found)

    assert run(drawn(2, 1)) == [0]
    assert run(drawn(5, 1)) == [0]
    assert run(drawn(0, 8)) == list(range(8))
    assert [d.count for d in fake.draws] == [1, 1, 2, 2, 2]


def test_an_abandoned_call_is_charged_what_all_its_samples_had_written_taped_or_not():
    fake, tape = FakeGenerator(lambda _, seed: " ".join(["word"] * (seed + 2))), Tape()

    async def abandoned() -> int:
        tally = Tally()
        samples = RecordedGenerator(fake, tape).sample(draw(4), tally)
        async for j, sample in samples:
            assert (j, sample.tokens) == (0, 2)  # the shortest comes first
            break
        await samples.aclose()  # type: ignore[attr-defined]
        return tally.tokens

    assert [run(abandoned()), run(abandoned())] == [4 * 2, 4 * 2]
    assert fake.drawn == 4


def test_a_call_can_be_cancelled_between_two_replayed_samples():
    fake, tape = FakeGenerator(script), Tape()

    async def main() -> int:
        tally, seen = Tally(), list[int]()

        async def consume() -> None:
            async for j, _ in RecordedGenerator(fake, tape).sample(draw(4), tally):
                seen.append(j)
                task.cancel()

        task = asyncio.create_task(consume())
        with pytest.raises(asyncio.CancelledError):
            await task
        return len(seen)

    assert run(main()) == 1


def test_what_came_before_a_failure_is_delivered_and_kept():
    class Failing(FakeGenerator):
        async def sample(self, draw: Draw, tally: Tally, on_text: object = None):  # type: ignore[override]
            tally.tokens += 3
            yield 0, Sample("one two three", 3, Finish.EOS)
            tally.tokens += 5  # of a sample that never came
            raise GeneratorError("gone")

    tape, tally, seen = Tape(), Tally(), list[int]()

    async def main() -> None:
        async for j, _ in RecordedGenerator(Failing(script), tape).sample(draw(2), tally):
            seen.append(j)

    with pytest.raises(GeneratorError, match="gone"):
        run(main())
    assert (seen, tally.tokens) == ([0], 8)


def test_a_tape_of_something_else_is_refused(tmp_path: Path):
    Tape(tmp_path / "tape.jsonl", HEADING)
    with pytest.raises(ValueError, match="something else"):
        Tape(tmp_path / "tape.jsonl", {"problems": 2})


def test_a_line_cut_by_an_interruption_is_drawn_again(tmp_path: Path):
    file = tmp_path / "tape.jsonl"
    first = Recorded(Tape(file, HEADING)).ask("majority_voting", 4)
    file.write_text(file.read_text()[:-20])
    again = Recorded(Tape(file, HEADING))
    assert again.ask("majority_voting", 4) == first
    assert again.generator.drawn == 1
    last = Recorded(Tape(file, HEADING))
    last.ask("majority_voting", 4)
    assert last.generator.drawn == 0


def solution(*ids: int) -> Candidate:
    return Candidate(text=f"words {ids}", tokens=len(ids), ids=ids, finish=Finish.EOS)


@pytest.mark.parametrize(
    ("batch", "texts", "read"),
    [
        (0, [(1, 2, 3)], 10 + 3),
        (0, [(1, 2, 3), (1, 2, 4)], 10 + 4),
        (0, [(1, 2, 3), (1, 2, 3)], 10 + 3),
        (1000, [(1, 2, 3)], 10 + 3),
        (1000, [(1, 2, 3), (1, 2, 4)], 9 + 2 * (3 + 1)),  # side by side each reads its whole text and one of the prompt
        (6, [(1, 2, 3), (1, 2, 4)], 9 + (3 + 1) + (1 + 1)),  # one after the other the second knows a beginning
    ],
)
def test_scorer_tokens_are_what_goes_through_the_model(batch: int, texts: list[tuple[int, ...]], read: int):
    scorer = RecordedScorer(FakeScorer(judge), Tape(), batch)
    assert run(scorer.score(PROBLEM, [solution(*ids) for ids in texts], 10)).tokens == read
    assert run(scorer.score(PROBLEM, [solution(*ids) for ids in texts], 10)).tokens == 0  # the request knows them now


def test_candidates_without_ids_are_charged_in_full_and_nothing_above_the_bill():
    scorer = RecordedScorer(FakeScorer(judge), Tape())
    bare = Candidate(text="some words", tokens=2, finish=Finish.EOS)
    assert run(scorer.score(PROBLEM, [bare], 10)).tokens == scorer.bill(10, 2)


def test_the_recorders_pass_on_what_stands_behind_them():
    fake, scorer = FakeGenerator(script), FakeScorer(judge, ratio=3.0)
    recorded = RecordedScorer(scorer, Tape())
    assert (recorded.ratio, recorded.name, recorded.bill(5, 7)) == (3.0, scorer.name, scorer.bill(5, 7))
    generator = RecordedGenerator(fake, Tape())
    assert generator.name == fake.name
    assert run(generator.measure(PROBLEM)) == run(fake.measure(PROBLEM))


@pytest.mark.parametrize(
    ("policy", "n", "off"),
    [
        (FixedPolicy("weighted_best_of_n", 12), 12, 0.0),
        (FixedPolicy("beam_search", 8), 8, 0.0),
        (FixedPolicy("dvts", 8), 8, 0.05),  # its subtrees are judged side by side, in an order that time decides
        (DefaultPolicy(), 16, 0.0),
    ],
)
async def test_replaying_the_embedded_models_is_running_them(policy: Policy, n: int, off: float):
    tape = Tape()
    for index, drawn in enumerate(splits.draw("test", 1, 7)):
        problem = Problem((Message("user", drawn.question),))

        async def ask(model: Model, *, taped: bool, problem: Problem = problem, index: int = index) -> Answer:
            assert model.scorer
            return await answer(
                problem,
                Budget(samples=n),
                generator=RecordedGenerator(model.generator, tape) if taped else model.generator,
                scorer=RecordedScorer(model.scorer, tape, BATCH_TOKENS) if taped else model.scorer,
                policy=policy,
                seed=index,
            )

        answers = list[Answer]()
        for taped in (False, True, True):
            async with opened(Settings()) as model:
                answers.append(await ask(model, taped=taped))
        live, recorded, replayed = answers
        assert replayed == recorded
        assert (recorded.verdict.answer, recorded.spent.tokens) == (live.verdict.answer, live.spent.tokens)
        assert recorded.spent.compute == pytest.approx(live.spent.compute, rel=off, abs=1)
