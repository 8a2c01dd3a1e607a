from dataclasses import replace

import pytest

from router.extraction import split_steps
from router.ports import Draw, ScorerError, Tally
from router.types import ROOT, Candidate, Finish, Message, Problem
from server.embedded import Embedded

PROBLEM = Problem((Message("user", "What is (12 + 30) * 5 - 17 * 3 + 8?"),))
HARD = Problem((Message("user", "Compute 813 * 27 - 405 / 5 + 66 * 12."),))


async def solutions(embedded: Embedded, count: int, problem: Problem = HARD) -> list[Candidate]:
    draw = Draw(problem, ROOT, count, seed=0, max_tokens=300, whole=True, temperature=1.0)
    found = {j: sample async for j, sample in embedded.generator.sample(draw, Tally())}
    return [ROOT.extended(j, found[j]) for j in sorted(found)]


async def test_there_is_one_reward_per_step(embedded: Embedded):
    candidates = await solutions(embedded, 16)
    scores = await embedded.scorer.score(HARD, candidates, 2)
    assert [len(r) for r in scores.rewards] == [len(split_steps(c.text)) for c in candidates]
    assert all(0.0 <= reward <= 1.0 for rewards in scores.rewards for reward in rewards)


async def test_a_wrong_step_is_worth_less_than_a_right_one(embedded: Embedded):
    (right,) = await solutions(embedded, 1, PROBLEM)
    wrong = replace(right, text=right.text.replace("12 + 30 = 42", "12 + 30 = 43"), ids=())
    scores = await embedded.scorer.score(PROBLEM, [right, wrong], 2)
    assert scores.rewards[0][0] > 0.9
    assert scores.rewards[1][0] < 0.5


async def test_ids_and_their_text_are_judged_alike(embedded: Embedded):
    (candidate,) = await solutions(embedded, 1, PROBLEM)
    by_ids = await embedded.scorer.score(PROBLEM, [candidate], 2)
    by_text = await embedded.scorer.score(PROBLEM, [replace(candidate, ids=())], 2)
    assert by_text.rewards == by_ids.rewards
    assert by_text.tokens == 0


async def test_the_end_of_text_counts_only_where_the_model_ended(embedded: Embedded):
    (candidate,) = await solutions(embedded, 1, PROBLEM)
    cut = replace(candidate, ids=candidate.ids[:-1], finish=Finish.LENGTH)
    ended, unended = (await embedded.scorer.score(PROBLEM, [candidate, cut], 2)).rewards
    assert ended[:-1] == pytest.approx(unended[:-1], abs=1e-5)
    assert ended[-1] != unended[-1]
    assert len(ended) == len(unended)
    by_text = [replace(candidate, ids=()), replace(cut, ids=())]
    assert (await embedded.scorer.score(PROBLEM, by_text, 2)).rewards == (ended, unended)


async def test_no_call_costs_more_than_its_bill(embedded: Embedded):
    prompt = (await embedded.generator.measure(HARD)).prompt_tokens
    candidates = await solutions(embedded, 8)
    scores = await embedded.scorer.score(HARD, candidates, 2)
    assert 0 < scores.tokens <= sum(embedded.scorer.bill(prompt, c.tokens) for c in candidates)
    assert (await embedded.scorer.score(HARD, candidates, 2)).tokens == 0
    assert embedded.scorer.ratio == pytest.approx(4.33 / 1.28, rel=0.01)
    assert embedded.scorer.name == "embedded-verifier"


async def test_a_path_scored_step_by_step_costs_its_new_tokens(embedded: Embedded):
    path, rewards = ROOT, ()
    while not path.finished:
        draw = Draw(PROBLEM, path, 1, seed=0, max_tokens=300, whole=False, temperature=0.0)
        async for j, step in embedded.generator.sample(draw, Tally()):
            path = path.extended(j, step)
            scores = await embedded.scorer.score(PROBLEM, [path], 2)
            assert scores.tokens <= step.tokens + 1 or len(rewards) == 0
            assert scores.rewards[0][: len(rewards)] == pytest.approx(rewards, abs=1e-5)
            rewards = scores.rewards[0]
    assert len(rewards) == 6


async def test_a_candidate_without_text_has_no_rewards(embedded: Embedded):
    (candidate,) = await solutions(embedded, 1, PROBLEM)
    scores = await embedded.scorer.score(PROBLEM, [ROOT, candidate, Candidate(text="\n\n", ids=())], 2)
    assert scores.rewards[0] == scores.rewards[2] == ()
    assert len(scores.rewards[1]) == 6
    assert (await embedded.scorer.score(PROBLEM, [], 2)).rewards == ()


async def test_empty_steps_have_no_rewards(embedded: Embedded):
    text = "\n\n## Step 1: 12 + 30 = 42.\n\n\n\n \n\nTherefore 1.\n\n"
    scores = await embedded.scorer.score(PROBLEM, [Candidate(text=text), Candidate(text=text, finish=Finish.EOS)], 2)
    assert [len(rewards) for rewards in scores.rewards] == [len(split_steps(text))] * 2


@pytest.mark.parametrize("stop", ["## Step 3", "Step 3", "17 * 3 = 51"])
async def test_tokens_behind_a_stop_string_are_not_judged(embedded: Embedded, stop: str):
    (candidate,) = await solutions(embedded, 1, PROBLEM)
    stopped = replace(candidate, text=candidate.text[: candidate.text.index(stop)])
    whole, part = (await embedded.scorer.score(PROBLEM, [candidate, stopped], 2)).rewards
    assert len(part) == len(split_steps(stopped.text)) in {2, 3}
    assert part[:2] == pytest.approx(whole[:2], abs=1e-5)


async def test_ids_of_another_tokenizer_are_not_trusted(embedded: Embedded):
    (candidate,) = await solutions(embedded, 1, PROBLEM)
    foreign = [replace(candidate, ids=(99_999, 3, 700)), replace(candidate, ids=(100, 200, 300))]
    scores = await embedded.scorer.score(PROBLEM, [candidate, *foreign], 2)
    assert scores.rewards[0] == scores.rewards[1] == scores.rewards[2]


async def test_what_does_not_fit_the_context_is_a_scorer_error(embedded: Embedded):
    with pytest.raises(ScorerError, match="context is 512"):
        await embedded.scorer.score(PROBLEM, [Candidate(text="1 2 3 " * 500)], 2)


async def test_a_closed_engine_is_a_scorer_error(embedded: Embedded):
    await embedded.aclose()
    with pytest.raises(ScorerError, match="not running"):
        await embedded.scorer.score(PROBLEM, [Candidate(text="1")], 2)
