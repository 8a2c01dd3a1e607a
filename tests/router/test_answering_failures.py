"""answer() where the generator, the scorer, the time or the tokens fail."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence

import pytest

from router.answering import NoAnswer
from router.budget import Budget
from router.events import Degraded, Lost, Planned
from router.policy.fixed import FixedPolicy
from router.ports import Draw, GeneratorError, Measure, ProblemTooLong, Scores, Tally
from router.testing import FakeGenerator, FakeScorer, run
from router.types import Candidate, Finish, Problem, Sample

from .thinking import Thinking, saying, valued, words


def test_a_scorer_that_dies_turns_the_vote_into_a_majority():
    scorer = FakeScorer(lambda _t: 0.5, fail_after=0)
    thinking = Thinking(FakeGenerator(saying("1", "2", "2")), scorer)
    result = thinking.result()
    assert (result.verdict.answer, result.solutions) == ("2", 16)
    assert result.degraded == ("scorer: the fake was told to fail",)
    assert thinking.events.count(Degraded("scorer: the fake was told to fail")) == 1
    assert scorer.calls == 1


def test_a_scorer_that_dies_in_the_middle_keeps_what_it_has_said():
    thinking = Thinking(FakeGenerator(saying("1", "2", "2")), FakeScorer(lambda _t: 0.5, fail_after=1))
    result = thinking.result()
    assert sum(c.value is not None for c in result.verdict.ranking) == 4
    assert (len(result.degraded), result.solutions) == (1, 16)


@pytest.mark.parametrize("name", ["beam_search", "dvts"])
def test_where_the_scorer_dies_before_it_has_chosen_no_path_is_pruned(name: str):
    generator = FakeGenerator(
        lambda text, seed: f"one {seed}\n\n\\boxed{{{seed}}}" if not text else f"\\boxed{{{seed}}}"
    )
    scorer = FakeScorer(lambda _t: 0.5, fail_after=0)
    result = Thinking(generator, scorer, FixedPolicy(name, 8), Budget(samples=8)).result()
    assert (result.solutions, result.spent.samples, result.lost) == (8, 8, 0)
    assert len({vote.answer for vote in result.verdict.votes}) == 8
    assert result.degraded


@pytest.mark.parametrize("name", ["beam_search", "dvts"])
def test_a_tree_search_whose_scorer_dies_still_answers(name: str):
    generator = FakeGenerator(lambda text, _seed: "one\n\ntwo\n\n\\boxed{3}"[len(text) :])
    scorer = FakeScorer(lambda _t: 0.5, fail_after=2)
    result = Thinking(generator, scorer, FixedPolicy(name, 8), Budget(samples=8)).result()
    assert (result.verdict.answer, len(result.degraded)) == ("3", 1)
    assert result.spent.samples <= 8


def test_lost_samples_are_counted_and_the_rest_answers():
    generator = FakeGenerator(saying("1", "2"), lose=2)
    thinking = Thinking(generator, None, FixedPolicy("majority_voting", 5), Budget(samples=5))
    result = thinking.result()
    assert (result.lost, result.solutions, result.spent.samples) == (2, 3, 3)
    assert sum(e.samples for e in thinking.events if isinstance(e, Lost)) == 2


def test_where_every_sample_is_lost_the_generator_is_to_blame():
    failure = Thinking(FakeGenerator(saying("1"), fail=True)).failure()
    assert failure.reason == "generator"
    assert "told to fail" in str(failure)


def test_where_samples_get_lost_without_a_word_the_generator_is_to_blame():
    failure = Thinking(FakeGenerator(saying("1"), lose=16)).failure()
    assert failure.reason == "generator"
    assert "does not answer" in str(failure)


@pytest.mark.parametrize("measured", [False, True])
def test_a_generator_that_is_full_is_not_to_blame(measured: bool):
    class Full(FakeGenerator):
        async def measure(self, problem: Problem) -> Measure:
            if measured:
                return await super().measure(problem)
            raise GeneratorError("all are busy", busy=True)

        async def sample(
            self, draw: Draw, tally: Tally, on_text: Callable[[str], None] | None = None
        ) -> AsyncIterator[tuple[int, Sample]]:
            raise GeneratorError("all are busy", busy=True)
            yield

    assert Thinking(Full(saying("7")), None, FixedPolicy("greedy"), Budget(samples=1)).failure().reason == "busy"


@pytest.mark.parametrize("name", ["greedy", "majority_voting", "best_of_n", "beam_search", "dvts"])
def test_a_dead_generator_is_not_asked_again_and_again(name: str):
    thinking = Thinking(FakeGenerator(saying("1"), fail=True), valued(0.5), FixedPolicy(name, 8), Budget(samples=8))
    assert thinking.failure().reason == "generator"
    assert len(thinking.generator.draws) <= 2


@pytest.mark.parametrize("name", ["best_of_n", "beam_search", "dvts"])
def test_a_budget_that_pays_for_no_judgement_buys_a_sample_that_is_not_judged(name: str):
    thinking = Thinking(FakeGenerator(saying("1")), valued(0.5), FixedPolicy(name, 1), Budget(tokens=3))
    result = thinking.result()
    assert result.spent.scorer_tokens == 0
    assert 0 < result.spent.compute <= 3
    assert (result.plan.name, result.stopped) == ("greedy", "budget")


def test_a_generator_that_says_nothing_at_all_is_to_blame():
    class Silent(FakeGenerator):
        async def sample(
            self, draw: Draw, tally: Tally, on_text: Callable[[str], None] | None = None
        ) -> AsyncIterator[tuple[int, Sample]]:
            for j in range(draw.count):
                yield j, Sample("", 0, Finish.EOS)

    failure = Thinking(Silent(saying("1")), budget=Budget(samples=2)).failure()
    assert (failure.reason, str(failure)) == ("generator", "the generator returned no token at all")


def test_a_deadline_before_the_first_token_is_to_blame():
    thinking = Thinking(FakeGenerator(saying("1"), seconds=3.0), budget=Budget(samples=4, deadline=2.0))
    assert thinking.failure().reason == "deadline"
    assert thinking.elapsed <= 2.0


def test_a_deadline_before_the_prompt_is_measured_is_to_blame():
    class Slow(FakeGenerator):
        async def measure(self, problem: Problem) -> Measure:
            await asyncio.sleep(60)
            raise AssertionError

    thinking = Thinking(Slow(saying("1")), budget=Budget(samples=4, deadline=2.0))
    assert thinking.failure().reason == "deadline"
    assert thinking.elapsed <= 2.0


def test_a_prompt_that_cannot_be_measured_is_the_fault_of_the_generator():
    class Gone(FakeGenerator):
        async def measure(self, problem: Problem) -> Measure:
            raise GeneratorError("connection refused")

    failure = Thinking(Gone(saying("1"))).failure()
    assert (failure.reason, str(failure)) == ("generator", "connection refused")


def test_a_prompt_that_is_too_long_is_told_with_its_numbers():
    class Full(FakeGenerator):
        async def measure(self, problem: Problem) -> Measure:
            raise ProblemTooLong(5000, 4096)

    with pytest.raises(ProblemTooLong, match="5000") as caught:
        Thinking(Full(saying("1"))).result()
    assert (caught.value.prompt_tokens, caught.value.context) == (5000, 4096)


def test_what_is_written_at_the_deadline_is_the_answer():
    thinking = Thinking(
        FakeGenerator(words(100), seconds=0.125), None, FixedPolicy("greedy"), Budget(samples=1, deadline=5.0)
    )
    result = thinking.result()
    assert (result.stopped, result.verdict.chosen.finish) == ("deadline", Finish.LENGTH)
    assert result.spent.tokens == result.verdict.chosen.tokens == 38
    assert thinking.elapsed <= 5.0


def test_little_time_is_spent_in_waves_that_fit():
    thinking = Thinking(
        FakeGenerator(words(10), seconds=0.1), None, FixedPolicy("majority_voting"), Budget(samples=256, deadline=8.0)
    )
    result = thinking.result()
    waves = [e.n for e in thinking.events if isinstance(e, Planned)]
    assert waves[0] == 1
    assert len(waves) > 2
    assert result.solutions == sum(waves) > 8
    assert sum(c.finish is Finish.EOS for c in result.verdict.ranking) > result.solutions / 2
    assert thinking.elapsed <= 8.0


def test_a_slow_scorer_loses_its_say_and_not_the_solutions():
    class Slow(FakeScorer):
        async def score(self, problem: Problem, candidates: Sequence[Candidate], prompt_tokens: int) -> Scores:
            await asyncio.sleep(60)
            raise AssertionError

    thinking = Thinking(
        FakeGenerator(saying("7")), Slow(lambda _t: 0.0), FixedPolicy("best_of_n"), Budget(samples=4, deadline=3.0)
    )
    result = thinking.result()
    assert (result.verdict.answer, result.solutions, result.stopped) == ("7", 4, "deadline")
    assert result.spent.scorer_tokens == 0
    assert result.degraded == ("scorer: no rewards came in time",)
    assert 2.8 < thinking.elapsed < 2.95


def test_a_request_that_the_generator_refuses_says_why():
    class Picky(FakeGenerator):
        async def sample(
            self, draw: Draw, tally: Tally, on_text: Callable[[str], None] | None = None
        ) -> AsyncIterator[tuple[int, Sample]]:
            raise GeneratorError("'top_k' must be positive", refusal=True)
            yield

    thinking = Thinking(Picky(saying("7")), None, FixedPolicy("majority_voting", 4), Budget(samples=4))
    with pytest.raises(NoAnswer, match="'top_k' must be positive") as caught:
        thinking.result()
    assert caught.value.reason == "refused"


def test_a_generator_that_ignores_the_deadline_is_stopped():
    class Deaf(FakeGenerator):
        def _write(self, draw: object, j: int, start: float) -> object:  # type: ignore[override]
            return FakeGenerator._write(self, draw, j, -1e6)  # type: ignore[arg-type]

    script: Callable[[str, int], str] = lambda _t, seed: "\\boxed{1}" if seed % 2 else "w " * 100  # noqa: E731
    thinking = Thinking(
        Deaf(script, seconds=1.0), None, FixedPolicy("majority_voting", 4), Budget(samples=4, deadline=16.0)
    )
    result = thinking.result()
    assert (result.verdict.answer, result.solutions, result.stopped) == ("1", 2, "deadline")
    assert (thinking.generator.active, result.spent.tokens) == (0, 2 + 15 + 15)
    assert thinking.elapsed <= 16.0


def test_a_path_that_did_not_end_answers_where_nothing_else_does():
    class Once(FakeScorer):
        async def score(self, problem: Problem, candidates: Sequence[Candidate], prompt_tokens: int) -> Scores:
            thinking.generator.fail = True
            return Scores(tuple((0.5,) for _ in candidates), 1)

    generator = FakeGenerator(lambda text, _seed: "one\n\ntwo\n\n\\boxed{3}"[len(text) :])
    thinking = Thinking(generator, Once(lambda _t: 0.5), FixedPolicy("beam_search", 4), Budget(samples=4))
    result = thinking.result()
    assert (result.verdict.chosen.text, result.verdict.chosen.finish) == ("one\n\n", Finish.STEP)
    assert (result.solutions, result.lost, result.verdict.answer) == (0, 4, None)


def test_a_path_whose_continuation_never_comes_answers_where_nothing_else_does():
    class Deaf(FakeGenerator):
        async def sample(
            self, draw: Draw, tally: Tally, on_text: Callable[[str], None] | None = None
        ) -> AsyncIterator[tuple[int, Sample]]:
            await asyncio.sleep(1000 if draw.prefix.path else 0)
            async for each in FakeGenerator.sample(self, draw, tally, on_text):
                yield each

    generator = Deaf(lambda text, _seed: "one\n\ntwo\n\n\\boxed{3}"[len(text) :])
    budget = Budget(samples=4, deadline=30.0)
    result = Thinking(generator, FakeScorer(lambda _t: 0.5), FixedPolicy("dvts", 4), budget).result()
    assert (result.verdict.chosen.text, result.stopped, result.solutions) == ("one\n\n", "deadline", 0)


def test_a_client_that_leaves_stops_everything():
    thinking = Thinking(FakeGenerator(words(100), seconds=1.0), valued(0.5))

    async def main() -> None:
        task = asyncio.create_task(thinking._run(seed=0, live=False))
        await asyncio.sleep(5)
        assert thinking.generator.active == 4
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(main())
    assert thinking.generator.active == 0
