"""A replayed sample is the sample that was drawn, at the price it had."""

from collections.abc import Hashable

from router.answering import Answer, answer
from router.budget import Budget
from router.evaluation.recording import RecordedGenerator, RecordedScorer
from router.policy.fixed import FixedPolicy
from router.ports import Draw, Scores, Tally
from router.testing import FakeGenerator, FakeScorer, run
from router.types import ROOT, Message, Problem, Sample

PROBLEM = Problem((Message("user", "How many?"),))


def script(_prefix: str, seed: int) -> str:
    return f"Some words.\n\nThe answer is \\boxed{{{seed % 3}}}."


def judge(text: str) -> float:
    return 0.9 if "{1}" in text else 0.4


class Recorded:
    def __init__(self) -> None:
        self.generator, self.scorer = FakeGenerator(script), FakeScorer(judge)
        self.samples = dict[Hashable, Sample]()
        self.scores = dict[Hashable, Scores]()

    def ask(self, strategy: str, n: int, seed: int = 1) -> Answer:
        return run(
            answer(
                PROBLEM,
                Budget(samples=n),
                generator=RecordedGenerator(self.generator, self.samples),
                scorer=RecordedScorer(self.scorer, self.scores),
                policy=FixedPolicy(strategy, n),
                seed=seed,
            )
        )


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


def test_a_replay_gives_what_the_first_run_gave():
    record = Recorded()
    first, second = record.ask("dvts", 8), record.ask("dvts", 8)
    assert second == first


def test_another_seed_is_another_draw():
    record = Recorded()
    record.ask("majority_voting", 4, seed=1)
    record.ask("majority_voting", 4, seed=2)
    assert record.generator.drawn == 8


def test_only_the_gaps_of_a_record_are_drawn():
    fake, samples = FakeGenerator(script), dict[Hashable, Sample]()
    recorded = RecordedGenerator(fake, samples)

    async def draw(seed: int, count: int) -> list[int]:
        order = Draw(PROBLEM, ROOT, count, seed, 50, whole=True, temperature=0.8)
        tally = Tally()
        indices = [j async for j, _ in recorded.sample(order, tally)]
        assert tally.tokens == sum(samples[k].tokens for k in samples if seed <= k[2] < seed + count)  # type: ignore[index]
        return sorted(indices)

    assert run(draw(2, 1)) == [0]
    assert run(draw(5, 1)) == [0]
    assert run(draw(0, 8)) == list(range(8))
    assert [d.count for d in fake.draws] == [1, 1, 2, 2, 2]


def test_the_recorders_pass_on_what_stands_behind_them():
    fake, scorer = FakeGenerator(script), FakeScorer(judge, ratio=3.0)
    recorded = RecordedScorer(scorer, {})
    assert (recorded.ratio, recorded.name, recorded.bill(5, 7)) == (3.0, scorer.name, scorer.bill(5, 7))
    generator = RecordedGenerator(fake, {})
    assert generator.name == fake.name
    assert run(generator.measure(PROBLEM)) == run(fake.measure(PROBLEM))
