import dataclasses

import pytest

from router.types import ROOT, Candidate, Finish, Message, Problem, Sample


def test_the_question_is_the_last_thing_the_user_said():
    turns = (Message("user", "first"), Message("assistant", "hm"), Message("user", "second"), Message("tool", "x"))
    assert Problem(turns).question == "second"
    assert Problem((Message("system", "x"),)).question == ""


def test_a_child_carries_its_whole_path():
    child = ROOT.extended(3, Sample("a ", 2, Finish.STEP, ids=(1, 2), logprob=-0.5))
    grandchild = child.judged((0.5,), 0.5).extended(0, Sample("b", 1, Finish.EOS, ids=(3,), logprob=-0.25))
    assert grandchild == Candidate(path=(3, 0), text="a b", tokens=3, ids=(1, 2, 3), logprob=-0.75, finish=Finish.EOS)


@pytest.mark.parametrize(("finish", "finished"), [(Finish.STEP, False), (Finish.EOS, True), (Finish.LENGTH, True)])
def test_a_path_is_finished_unless_it_ends_at_a_step(finish: Finish, finished: bool):
    assert Candidate(finish=finish).finished is finished


def test_judging_changes_nothing_else():
    candidate = Candidate(path=(1,), text="a", tokens=1)
    judged = candidate.judged((0.25, 0.5), 0.125)
    assert (judged.rewards, judged.value) == ((0.25, 0.5), 0.125)
    assert dataclasses.replace(judged, rewards=None, value=None) == candidate
    assert candidate.value is None


def test_what_was_produced_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        ROOT.text = "x"  # type: ignore[misc]
