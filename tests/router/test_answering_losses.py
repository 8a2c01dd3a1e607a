"""answer() in rounds that lose what they were to bring: a small round is easily lost as a whole."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace

import pytest

from router.aggregation import Aggregate
from router.budget import Budget
from router.events import Degraded, Lost, Planned, Text
from router.plan import Plan, Room
from router.policy.names import plan_for
from router.ports import Draw, GeneratorError, Tally
from router.testing import FakeGenerator, FakeScorer
from router.types import Difficulty, Finish, Sample

from .thinking import Thinking, saying

FIRST = replace(plan_for("greedy", 1), provisional=True)
STOP = Plan(None, Aggregate.MAJORITY, stopped="agreed")


@dataclass
class Growing:
    """One greedy solution, then as many again as there are, until there are `most`."""

    most: int = 4
    first: Plan = FIRST
    judging: bool = False
    rooms: list[Room] = field(default_factory=list[Room])

    def probe(self, room: Room) -> int:
        return 0

    def plan(self, difficulty: Difficulty | None, room: Room) -> Plan:
        self.rooms.append(room)
        if not room.solutions:
            return self.first
        if self.judging and room.verified and room.unjudged:
            return plan_for("weighted_best_of_n", 0)
        return plan_for("majority_voting", room.solutions) if room.solutions < self.most else STOP


class Failing(FakeGenerator):
    """Fails in the calls with these numbers; `how` says what comes of a call that fails."""

    def __init__(self, *calls: int, how: GeneratorError | Sample) -> None:
        super().__init__(saying("1"))
        self.calls, self.how = calls, how

    async def sample(
        self, draw: Draw, tally: Tally, on_text: Callable[[str], None] | None = None
    ) -> AsyncIterator[tuple[int, Sample]]:
        if len(self.draws) not in self.calls:
            async for item in FakeGenerator.sample(self, draw, tally, on_text):
                yield item
            return
        self.draws.append(draw)
        if isinstance(self.how, GeneratorError):
            if on_text:
                on_text("half an an")
            raise self.how
        yield 0, self.how


BROKE = GeneratorError("the connection broke")
EMPTY = Sample("", 0, Finish.EOS)


def test_a_lost_first_solution_is_drawn_again():
    generator = Failing(0, how=BROKE)
    result = Thinking(generator, policy=Growing(), budget=Budget(samples=8)).result()
    assert (result.solutions, result.lost, result.spent.samples, result.stopped) == (4, 1, 4, "agreed")
    assert [draw.temperature for draw in generator.draws][:3] == [0.0, 0.0, 0.8]


def test_a_later_round_that_is_lost_is_planned_again():
    result = Thinking(Failing(1, how=BROKE), policy=Growing(), budget=Budget(samples=8)).result()
    assert (result.solutions, result.lost, result.stopped) == (4, 1, "agreed")


def test_an_empty_first_solution_is_followed_by_one_that_is_not_greedy():
    generator = Failing(0, how=EMPTY)
    thinking = Thinking(generator, policy=Growing(), budget=Budget(samples=8))
    result = thinking.result()
    assert (result.solutions, result.lost, result.stopped) == (4, 0, "agreed")
    assert [draw.temperature for draw in generator.draws][:2] == [0.0, 0.8]
    assert [e.reason for e in thinking.events if isinstance(e, Planned)][1] == "the first sample was empty"


@pytest.mark.parametrize("how", [BROKE, EMPTY])
def test_there_is_no_third_chance(how: GeneratorError | Sample):
    generator = Failing(*range(100), how=how)
    failure = Thinking(generator, policy=Growing(), budget=Budget(samples=8)).failure()
    assert failure.reason == "generator"
    assert len(generator.draws) <= 3


@pytest.mark.parametrize("how", [GeneratorError("no", refusal=True), GeneratorError("full", busy=True)])
def test_who_refuses_or_is_full_is_not_asked_again(how: GeneratorError):
    generator = Failing(0, how=how)
    assert Thinking(generator, policy=Growing(), budget=Budget(samples=8)).failure().reason != "generator"
    assert len(generator.draws) == 1


def test_a_live_sample_that_breaks_is_not_written_a_second_time():
    policy, generator = Growing(first=plan_for("greedy", 1)), Failing(0, how=BROKE)
    thinking = Thinking(generator, policy=policy, budget=Budget(samples=8))
    with pytest.raises(Exception, match="broke"):
        thinking.result(live=True)
    assert [e for e in thinking.events if isinstance(e, Text | Lost)] == [Text("half an an"), Lost(1, str(BROKE))]


def test_a_scorer_that_dies_in_a_round_that_only_judges_ends_nothing_but_the_judging():
    policy = Growing(judging=True)
    thinking = Thinking(FakeGenerator(saying("1")), FakeScorer(lambda _t: 0.5, fail_after=0), policy, Budget(samples=8))
    result = thinking.result()
    assert (result.solutions, result.stopped, len(result.degraded)) == (4, "agreed", 1)
    assert [room.verified for room in policy.rooms] == [True, True, False, False, False]
    assert sum(isinstance(e, Degraded) for e in thinking.events) == 1
