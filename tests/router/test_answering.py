from collections.abc import Sequence

import pytest

from router.aggregation import Aggregate, Reduce
from router.answering import Answer, answer
from router.budget import Budget
from router.equality import key
from router.events import Answered, Planned, Probed, Sampled, Scored, Text
from router.plan import Plan, Room
from router.policy.default import DefaultPolicy
from router.policy.fixed import FixedPolicy
from router.policy.names import plan_for
from router.ports import Scores
from router.testing import FakeGenerator, FakeScorer, run
from router.types import Candidate, Difficulty, Finish, Problem

from .thinking import PROBLEM, Thinking, saying, valued, words


@pytest.mark.parametrize(("name", "said"), [("majority_voting", "1"), ("best_of_n", "3"), ("weighted_best_of_n", "2")])
def test_each_aggregate_gives_the_answer_worked_out_by_hand(name: str, said: str):
    # sums: 1 -> 0.3, 2 -> 1.0, 3 -> 0.8; counts 3, 2, 1
    generator = FakeGenerator(saying("1", "2", "1", "3", "2", "1"))
    thinking = Thinking(generator, valued(0.1, 0.5, 0.1, 0.8, 0.5, 0.1), FixedPolicy(name), Budget(samples=6))
    result = thinking.result()
    assert result.verdict.answer == said
    assert (result.solutions, result.spent.samples, result.stopped) == (6, 6, "complete")
    assert result.plan.name == name


@pytest.mark.parametrize(("how", "path"), [("last", 0), ("minimum", 1), ("product", 2), ("mean", 3)])
def test_best_of_n_chooses_by_each_reduction(how: str, path: int):
    rewards = [(0.1, 0.1, 0.99), (0.55, 0.55, 0.55), (0.5, 0.9, 0.9), (0.4, 1.0, 0.98)]
    reductions = {
        "last": [r[-1] for r in rewards],
        "minimum": [min(r) for r in rewards],
        "product": [r[0] * r[1] * r[2] for r in rewards],
        "mean": [sum(r) / 3 for r in rewards],
    }

    class Pinned:
        def probe(self, room: Room) -> int:
            return 0

        def plan(self, difficulty: Difficulty | None, room: Room) -> Plan:
            plan = plan_for("best_of_n", 4)
            strategy = None if room.solutions else plan.strategy
            return Plan(strategy, plan.aggregate, Reduce(how))

    class Given(FakeScorer):
        async def score(self, problem: Problem, candidates: Sequence[Candidate], prompt_tokens: int) -> Scores:
            return Scores(tuple(rewards[c.path[0]] for c in candidates), 1)

    result = Thinking(FakeGenerator(saying("1", "2", "3", "4")), Given(lambda _t: 0), Pinned()).result()
    assert [c.value for c in sorted(result.verdict.ranking, key=lambda c: c.path)] == pytest.approx(reductions[how])
    assert result.verdict.chosen.path == (max(range(4), key=lambda i: reductions[how][i]),)
    assert path in {0, 1, 2, 3}


def test_a_unanimous_probe_is_the_answer():
    thinking = Thinking(FakeGenerator(saying("1/2", "0.5")), valued(0.95))
    result = thinking.result()
    assert (result.verdict.answer, result.stopped, result.spent.samples) == ("1/2", "agreed", 4)
    assert result.difficulty is not None
    assert (result.difficulty.samples, result.difficulty.agreement, result.difficulty.level) == (4, 1.0, 1)
    assert result.difficulty.value == pytest.approx(0.95)
    assert result.difficulty.score == pytest.approx(0.025)
    assert result.plan.strategy is None
    assert thinking.kinds() == [Sampled, Scored, Probed, Planned, Answered]


def test_a_probe_in_doubt_is_followed_by_all_the_budget_has_in_rounds_that_double():
    thinking = Thinking(FakeGenerator(saying("1", "2")), valued(0.5))
    result = thinking.result()
    assert (result.spent.samples, result.solutions, result.stopped) == (16, 16, "complete")
    assert result.plan.name == "weighted_best_of_n"
    assert [e.n for e in thinking.events if isinstance(e, Planned)] == [4, 8, 0]
    rounds = [Planned, Sampled, Scored, Planned, Sampled, Scored]
    assert thinking.kinds() == [Sampled, Scored, Probed, *rounds, Planned, Answered]
    assert thinking.events[-1] == Answered("1", 8, 16, 0.5, "complete")


def test_without_a_scorer_it_is_a_vote():
    thinking = Thinking(FakeGenerator(saying("1", "2", "2")))
    result = thinking.result()
    assert (result.verdict.answer, result.plan.aggregate) == ("2", Aggregate.MAJORITY)
    assert result.difficulty is not None
    assert result.difficulty.value is None
    assert Scored not in thinking.kinds()


def test_one_sample_is_greedy_and_cold():
    thinking = Thinking(FakeGenerator(saying("1")), valued(0.5), budget=Budget(samples=1))
    result = thinking.result()
    assert (result.plan.name, result.difficulty, result.spent.samples) == ("greedy", None, 1)
    assert thinking.generator.draws[0].temperature == 0.0
    assert thinking.kinds() == [Planned, Sampled, Planned, Answered]


def test_greedy_decoding_uses_the_temperature_of_the_client():
    problem = Problem(PROBLEM.messages, temperature=0.4)
    thinking = Thinking(FakeGenerator(saying("1")), budget=Budget(samples=1), problem=problem)
    thinking.result()
    assert thinking.generator.draws[0].temperature == 0.4


@pytest.mark.parametrize(("live", "samples", "texts"), [(True, 1, 1), (True, 3, 0), (False, 1, 0), (True, 8, 0)])
def test_text_is_live_only_where_one_sample_is_all_there_is(live: bool, samples: int, texts: int):
    thinking = Thinking(FakeGenerator(saying("1", "2")), budget=Budget(samples=samples))
    thinking.result(live=live)
    assert sum(isinstance(e, Text) for e in thinking.events) == texts


def test_a_last_single_sample_after_a_probe_is_not_live():
    class OneMore:
        def probe(self, room: Room) -> int:
            return 2

        def plan(self, difficulty: Difficulty | None, room: Room) -> Plan:
            return plan_for("greedy", 1) if room.solutions < 3 else Plan(None, Aggregate.MAJORITY)

    thinking = Thinking(FakeGenerator(saying("1", "2")), policy=OneMore())
    assert thinking.result(live=True).solutions == 3
    assert not any(isinstance(e, Text) for e in thinking.events)


def test_max_tokens_limits_each_answer_and_not_the_search():
    problem = Problem(PROBLEM.messages, max_tokens=5)
    thinking = Thinking(FakeGenerator(words(100)), None, FixedPolicy("majority_voting"), problem=problem)
    result = thinking.result()
    assert (result.spent.tokens, result.spent.samples) == (16 * 5, 16)
    assert result.stopped == "complete"
    assert result.verdict.chosen.finish is Finish.LENGTH


@pytest.mark.parametrize("tokens", [150, 400, 1000])
@pytest.mark.parametrize("name", ["majority_voting", "weighted_best_of_n", "beam_search", "dvts"])
def test_a_number_of_tokens_is_used_well_and_never_exceeded(name: str, tokens: int):
    def script(text: str, seed: int) -> str:
        return f"one step {seed}\n\nanother one here\n\n\\boxed{{{seed % 3}}}".split("\n\n", text.count("\n\n"))[-1]

    generator = FakeGenerator(script, context=40)
    result = Thinking(generator, FakeScorer(lambda _t: 0.5), FixedPolicy(name), Budget(tokens=tokens)).result()
    assert result.spent.compute <= tokens
    assert result.overrun == 0
    assert result.solutions >= 1
    if tokens >= 400:
        assert result.spent.compute >= tokens / 2


def test_the_same_seed_gives_the_same_answer_and_another_other_samples():
    def texts(seed: int) -> list[str]:
        thinking = Thinking(FakeGenerator(lambda _t, s: f"answer {s}"), policy=FixedPolicy("majority_voting"))
        return [c.text for c in thinking.result(seed=seed).verdict.ranking]

    assert texts(3) == texts(3)
    assert not set(texts(3)) & set(texts(4))


def test_another_equivalence_groups_the_answers():
    async def main() -> Answer:
        return await answer(
            PROBLEM,
            Budget(samples=3),
            generator=FakeGenerator(saying("rot", "blue", "red")),
            scorer=None,
            policy=FixedPolicy("majority_voting"),
            equivalence=lambda a: a[0],
        )

    assert [v.count for v in run(main()).verdict.votes] == [2, 1]
    assert key("rot") != key("red")


def test_where_tokens_are_few_one_sample_comes_after_the_other():
    thinking = Thinking(FakeGenerator(saying("1", "2")), None, DefaultPolicy(), Budget(tokens=6))
    result = thinking.result()
    assert (result.solutions, result.spent.tokens, result.stopped) == (2, 6, "budget")
    assert result.difficulty is not None
    assert result.difficulty.samples == 2
