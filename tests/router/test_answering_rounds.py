"""answer() in rounds: each plan is made with all that has come, and a decided vote ends early with the same answer."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import router.answering as answering
from router.aggregation import Aggregate
from router.budget import Budget
from router.equality import key
from router.events import Aborted, Answered, Planned, Probed, Sampled, Scored
from router.plan import Plan, Room
from router.policy.fixed import FixedPolicy
from router.policy.names import plan_for
from router.stopping import Stopping, decided
from router.testing import FakeGenerator, FakeScorer
from router.types import Difficulty

from .strategies.tree import chance
from .thinking import Thinking, saying, valued


@dataclass
class Rounds:
    """Plans what it was given, one after the other, and remembers what it was told."""

    plans: list[Plan]
    seen: list[Difficulty | None] = field(default_factory=list[Difficulty | None])
    rooms: list[Room] = field(default_factory=list[Room])
    samples: int = 0

    def probe(self, room: Room) -> int:
        return self.samples

    def plan(self, difficulty: Difficulty | None, room: Room) -> Plan:
        self.seen.append(difficulty)
        self.rooms.append(room)
        return self.plans[min(len(self.seen), len(self.plans)) - 1]


STOP = Plan(None, Aggregate.MAJORITY, stopped="agreed")


def test_the_question_is_graded_anew_before_every_plan():
    policy = Rounds([plan_for("greedy", 1), plan_for("majority_voting", 3), plan_for("weighted_best_of_n", 2), STOP])
    result = Thinking(FakeGenerator(saying("1", "1", "2", "2")), valued(0.5), policy).result()
    assert policy.seen[0] is None
    shown = [(d.samples, d.agreement, d.judged) for d in policy.seen if d]
    assert shown == [(1, 1.0, 0), (4, 0.5, 0), (6, 4 / 6, 6)]
    assert [room.unjudged for room in policy.rooms] == [0, 1, 4, 0]
    assert result.difficulty == policy.seen[-1]
    assert (result.stopped, result.solutions) == ("agreed", 6)


def test_the_probe_is_told_once_and_news_of_it_before_the_plan_it_led_to():
    policy = Rounds([plan_for("majority_voting", 4), plan_for("majority_voting", 4), STOP], samples=2)
    thinking = Thinking(FakeGenerator(saying("1", "1", "2", "3", "4", "5", "6", "7", "8", "9")), policy=policy)
    result = thinking.result()
    told = [e.difficulty.samples for e in thinking.events if isinstance(e, Probed)]
    assert told == [2, 6]  # not the ten: nothing is done with them
    assert thinking.kinds() == [Sampled, Probed, Planned, Sampled, Probed, Planned, Sampled, Planned, Answered]
    assert result.difficulty is not None
    assert result.difficulty.samples == 10


def test_what_has_hardly_changed_is_not_told_again():
    policy = Rounds([plan_for("majority_voting", 2)] * 3 + [STOP], samples=2)
    thinking = Thinking(FakeGenerator(saying("1", "2")), policy=policy)
    thinking.result()
    assert sum(isinstance(e, Probed) for e in thinking.events) == 1


def test_a_single_solution_that_agrees_with_itself_is_no_difficulty():
    thinking = Thinking(FakeGenerator(saying("1")), policy=Rounds([plan_for("greedy", 1), STOP]))
    assert thinking.result().difficulty is None
    assert Probed not in thinking.kinds()


def test_a_policy_that_knows_the_difficulty_better_is_reported():
    known = Difficulty(1, 1.0, None, 0.03, 1, pass_rate=0.97)
    thinking = Thinking(
        FakeGenerator(saying("1")), policy=Rounds([plan_for("greedy", 1), replace(STOP, difficulty=known)])
    )
    assert thinking.result().difficulty == known
    assert thinking.kinds() == [Planned, Sampled, Probed, Planned, Answered]


def test_a_round_that_only_judges_is_progress_and_one_that_does_nothing_ends_it():
    policy = Rounds([plan_for("majority_voting", 3), plan_for("weighted_best_of_n", 0)])
    thinking = Thinking(FakeGenerator(saying("1", "2", "2")), valued(0.9, 0.1, 0.1), policy)
    result = thinking.result()
    assert (result.verdict.answer, result.solutions, result.spent.samples) == ("1", 3, 3)
    assert len(policy.seen) == 3  # the third round judged nobody
    assert result.plan.name == "weighted_best_of_n"


def test_a_policy_that_never_has_enough_is_stopped(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(answering, "_MOST_ROUNDS", 7)
    policy = Rounds([plan_for("majority_voting", 1)])
    result = Thinking(FakeGenerator(saying("1")), policy=policy, budget=Budget()).result()
    assert (result.solutions, len(policy.seen), result.stopped) == (7, 7, "complete")


def test_the_greedy_solution_comes_first_and_samples_do_not_depend_on_how_rounds_are_cut():
    def drawn(*plans: Plan) -> list[tuple[tuple[int, ...], str]]:
        generator = FakeGenerator(lambda _text, seed: f"draw {seed}")
        result = Thinking(generator, policy=Rounds([*plans, STOP])).result(seed=5)
        assert [draw.temperature for draw in generator.draws][:2] == [0.0, 0.8]
        return sorted((c.path, c.text) for c in result.verdict.ranking)

    greedy, votes = plan_for("greedy", 1), lambda n: plan_for("majority_voting", n)
    at_once = drawn(greedy, votes(7))
    assert [path for path, _ in at_once] == [(i,) for i in range(8)]
    assert len({text for _, text in at_once}) == 8
    assert drawn(greedy, votes(1), votes(2), votes(4)) == at_once


def test_a_vote_whose_first_33_of_64_agree_is_over():
    generator = FakeGenerator(lambda _t, seed: "w " * (seed % 61) + "\\boxed{4}", seconds=1.0)
    thinking = Thinking(generator, None, FixedPolicy("majority_voting", 64), Budget(samples=64))
    result = thinking.result()
    assert (result.verdict.answer, result.solutions, result.stopped) == ("4", 33, "agreed")
    assert (result.spent.samples, result.lost, generator.active) == (33, 0, 0)
    assert [e for e in thinking.events if isinstance(e, Aborted)] == [Aborted(31)]
    assert thinking.events[-1] == Answered("4", 33, 33, 1.0, "agreed")
    arrived = sum(e.tokens for e in thinking.events if isinstance(e, Sampled))
    assert result.spent.tokens > arrived + 31  # the others were under way


def test_without_their_rule_all_64_are_drawn():
    policy = Rounds([replace(FixedPolicy("majority_voting", 64).plan(None, ROOM), stopping=None), STOP])
    assert Thinking(FakeGenerator(saying("4")), None, policy, Budget(samples=64)).result().solutions == 64


ROOM = Room(samples=64, tokens=None, seconds=None, verified=False)


def test_values_of_an_earlier_round_may_decide_while_others_are_drawn():
    weighted = replace(plan_for("weighted_best_of_n", 2), stopping=Stopping(decided))
    policy = Rounds([plan_for("majority_voting", 6), weighted, STOP])
    generator = FakeGenerator(lambda _text, _seed: "w \\boxed{4}", seconds=1.0)
    thinking = Thinking(generator, FakeScorer(lambda _t: 0.9), policy)
    result = thinking.result()
    assert (result.stopped, result.solutions, result.spent.samples) == ("agreed", 6, 6)
    assert [e for e in thinking.events if isinstance(e, Scored | Aborted)] == [Scored(6, 6 * 5, 0.9), Aborted(2)]


@dataclass(frozen=True)
class WithoutRule:
    """The same policy, which never stops early."""

    policy: FixedPolicy

    def probe(self, room: Room) -> int:
        return self.policy.probe(room)

    def plan(self, difficulty: Difficulty | None, room: Room) -> Plan:
        return replace(self.policy.plan(difficulty, room), stopping=None)


def writing(salt: int, kinds: int, silence: float) -> Callable[[str, int], str]:
    """Some steps of random length and then an answer or none: solutions arrive in any order."""

    def script(text: str, seed: int) -> str:
        done = text.count("\n\n")
        steps = ["w " * int(1 + 6 * chance(salt, seed, done, i)) for i in range(int(3 * chance(salt, seed, done)))]
        silent = chance(salt, "silent", seed) < silence
        said = "who knows" if silent else f"\\boxed{{{int(kinds * chance(salt, 'says', seed) ** 2)}}}"
        return "\n\n".join([*(s.strip() for s in steps), said])

    return script


@settings(max_examples=150)
@given(
    name=st.sampled_from(["majority_voting", "weighted_best_of_n", "beam_search", "dvts"]),
    n=st.integers(1, 24),
    kinds=st.integers(1, 4),
    silence=st.sampled_from([0.0, 0.3]),
    salt=st.integers(0, 10**6),
    scorer=st.sampled_from(["none", "sure", "unsure", "dies"]),
    lose=st.sampled_from([0, 0, 1]),
    deadline=st.sampled_from([None, None, 9.0]),
)
def test_the_rule_of_a_decided_vote_changes_no_answer(
    name: str, n: int, kinds: int, silence: float, salt: int, scorer: str, lose: int, deadline: float | None
):
    def result(policy: FixedPolicy | WithoutRule) -> answering.Answer | None:
        judge = FakeScorer(lambda t: chance(salt, "judge", t) ** (0.1 if scorer == "sure" else 1.0))
        judge.fail_after = 2 if scorer == "dies" else None
        generator = FakeGenerator(writing(salt, kinds, silence), seconds=0.01, lose=lose if n > 1 else 0)
        budget = Budget(samples=n, deadline=deadline)
        try:
            return Thinking(generator, None if scorer == "none" else judge, policy, budget).result(seed=salt)
        except answering.NoAnswer:
            return None

    policy = FixedPolicy(name)
    early, whole = result(policy), result(WithoutRule(policy))
    if early is None or whole is None:
        assert early is whole
        return
    said = [None if r.verdict.answer is None else key(r.verdict.answer) for r in (early, whole)]
    assert said[0] == said[1]
    assert early.solutions <= whole.solutions
    assert early.spent.compute <= whole.spent.compute
    assert whole.stopped != "agreed"
