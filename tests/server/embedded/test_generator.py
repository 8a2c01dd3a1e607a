import asyncio
from contextlib import aclosing
from dataclasses import replace

import pytest

from router.ports import Draw, GeneratorError, ProblemTooLong, Tally
from router.types import ROOT, Candidate, Finish, Message, Problem, Sample
from server.embedded import Embedded
from server.embedded.engine import Engine
from server.embedded.generator import EmbeddedGenerator
from server.embedded.llama import Llama
from server.embedded.prompts import Prompts
from server.embedded.tokenizer import Tokenizer

QUESTION = "What is (12 + 30) * 5 - 17 * 3 + 8?"
PROBLEM = Problem((Message("user", QUESTION),))
GREEDY = Draw(PROBLEM, ROOT, count=1, seed=0, max_tokens=300, whole=True, temperature=0.0)
ANSWER = "Therefore, the final answer is: $\\boxed{167}$."


async def sample(embedded: Embedded, draw: Draw, tally: Tally | None = None) -> list[Sample]:
    found = {j: sample async for j, sample in embedded.generator.sample(draw, tally or Tally())}
    return [found[j] for j in sorted(found)]


async def test_the_shipped_generator_solves_a_problem(embedded: Embedded):
    tally = Tally()
    (answer,) = await sample(embedded, GREEDY, tally)
    assert answer.text.endswith(ANSWER)
    assert answer.finish is Finish.EOS
    assert answer.tokens == len(answer.ids) == tally.tokens == 111
    assert answer.logprob < 0.0


async def test_a_problem_is_measured(embedded: Embedded, tokenizer: Tokenizer):
    measure = await embedded.generator.measure(PROBLEM)
    assert measure.prompt_tokens == len(tokenizer.encode(QUESTION)) + 3
    assert measure.prompt_tokens + measure.room == 512
    assert embedded.generator.name == "embedded"


@pytest.mark.parametrize("words", [1_000, 50_000])
async def test_a_problem_that_leaves_no_room_is_refused_with_its_size(embedded: Embedded, words: int):
    long = Problem((Message("user", "how much is this " * words),))
    with pytest.raises(ProblemTooLong) as error:
        await embedded.generator.measure(long)
    assert error.value.context == 512
    assert error.value.prompt_tokens > words


async def test_a_tolerant_variant_is_put_into_the_words_the_model_knows(embedded: Embedded):
    variant = Problem((Message("user", "whats (12+30)*5 - 17*3 + 8"),))
    assert await embedded.generator.measure(variant) == await embedded.generator.measure(PROBLEM)


async def test_steps_end_with_their_blank_line_and_make_up_the_answer(embedded: Embedded):
    (whole,) = await sample(embedded, GREEDY)
    path = ROOT
    while not path.finished:
        (step,) = await sample(embedded, replace(GREEDY, prefix=path, whole=False))
        assert step.text.endswith("\n\n") == (step.finish is Finish.STEP)
        path = path.extended(0, step)
    assert (path.text, path.ids, path.finish) == (whole.text, whole.ids, whole.finish)
    assert path.logprob == pytest.approx(whole.logprob, abs=1e-3)


async def test_a_prefix_without_ids_is_encoded(embedded: Embedded):
    (whole,) = await sample(embedded, GREEDY)
    head, _, tail = whole.text.partition("\n\n")
    (rest,) = await sample(embedded, replace(GREEDY, prefix=Candidate(text=head + "\n\n")))
    assert rest.text == tail


async def test_sample_j_is_drawn_with_its_own_seed(embedded: Embedded):
    hard = Problem((Message("user", "Compute 813 * 27 - 405 / 5 + 66 * 12."),))
    draw = replace(GREEDY, problem=hard, count=8, seed=40, temperature=1.5, max_tokens=40)
    several = await sample(embedded, draw)
    (fifth,) = await sample(embedded, replace(draw, count=1, seed=44))
    assert fifth.ids == several[4].ids
    assert len({s.ids for s in several}) > 1


async def test_a_limit_cuts(embedded: Embedded):
    (cut,) = await sample(embedded, replace(GREEDY, max_tokens=7))
    assert cut.tokens == 7
    assert cut.finish is Finish.LENGTH


async def test_a_stop_string_ends_the_answer_before_it(embedded: Embedded):
    stopping = replace(PROBLEM, stop=("Step 3",))
    tally = Tally()
    (stopped,) = await sample(embedded, replace(GREEDY, problem=stopping), tally)
    (whole,) = await sample(embedded, GREEDY)
    assert stopped.text == whole.text[: whole.text.index("Step 3")]
    assert stopped.finish is Finish.EOS
    assert stopped.ids == whole.ids[: stopped.tokens]
    assert tally.tokens == stopped.tokens


async def test_a_stop_string_is_found_across_a_continuation(embedded: Embedded):
    (step,) = await sample(embedded, replace(GREEDY, whole=False))
    stopping = replace(PROBLEM, stop=(".\n\n## Step 2",))
    prefix = ROOT.extended(0, step)
    (rest,) = await sample(embedded, replace(GREEDY, problem=stopping, prefix=prefix))
    assert (rest.text, rest.finish) == ("", Finish.EOS)


@pytest.mark.parametrize("stop", [(), ("never",), ("Therefore",)])
async def test_the_pieces_of_a_live_sample_make_up_its_text(embedded: Embedded, stop: tuple[str, ...]):
    pieces: list[str] = []
    draw = replace(GREEDY, problem=replace(PROBLEM, stop=stop), count=2)
    async for j, found in embedded.generator.sample(draw, Tally(), pieces.append):
        if j == 0:
            assert "".join(pieces) == found.text
            assert len(pieces) > 20


async def test_nothing_is_told_after_the_iterator_is_closed(embedded: Embedded):
    pieces: list[str] = []
    first = asyncio.Event()

    def listen(piece: str) -> None:
        pieces.append(piece)
        first.set()

    async with aclosing(embedded.generator.sample(GREEDY, Tally(), listen)) as samples:  # pyright: ignore[reportArgumentType]
        pending = asyncio.ensure_future(anext(samples))
        await first.wait()
        pending.cancel()
        await asyncio.gather(pending, return_exceptions=True)
    told = len(pieces)
    await sample(embedded, GREEDY)
    assert len(pieces) == told


async def test_a_deadline_that_has_passed_leaves_the_samples_empty(embedded: Embedded):
    now = asyncio.get_running_loop().time()
    assert await sample(embedded, replace(GREEDY, count=3, deadline=now)) == [Sample("", 0, Finish.LENGTH)] * 3


async def test_a_deadline_cuts_what_is_running(embedded: Embedded):
    now = asyncio.get_running_loop().time()
    draws = replace(GREEDY, count=200, temperature=1.0, deadline=now + 0.1)
    samples = await sample(embedded, draws)
    assert asyncio.get_running_loop().time() < now + 2.0
    assert {s.finish for s in samples} == {Finish.LENGTH}
    assert len(samples) == 200


async def test_a_full_context_ends_a_path_with_nothing_more(embedded: Embedded, tokenizer: Tokenizer):
    measure = await embedded.generator.measure(PROBLEM)
    ids = tokenizer.encode("\n\n") * measure.room
    (nothing,) = await sample(embedded, replace(GREEDY, prefix=Candidate(ids=ids, text="\n\n" * measure.room)))
    assert (nothing.text, nothing.tokens, nothing.finish) == ("", 0, Finish.LENGTH)


async def test_ids_that_are_no_tokens_are_a_generator_error(embedded: Embedded):
    with pytest.raises(GeneratorError, match="outside the vocabulary"):
        await sample(embedded, replace(GREEDY, prefix=Candidate(ids=(768,), text="?")))


async def test_a_prefix_beyond_the_context_is_a_generator_error(embedded: Embedded, tokenizer: Tokenizer):
    with pytest.raises(GeneratorError, match="1 to 512"):
        await sample(embedded, replace(GREEDY, prefix=Candidate(ids=tokenizer.encode("1") * 512, text="1" * 512)))


async def test_a_conversation_that_cannot_be_rendered_is_a_generator_error(model: Llama, tokenizer: Tokenizer):
    def refuse(_question: str) -> str:
        raise ValueError("not in this template")

    generator = EmbeddedGenerator(Engine(model), tokenizer, Prompts(tokenizer, refuse), "refusing")
    with pytest.raises(GeneratorError, match="not in this template"):
        await generator.measure(PROBLEM)


async def test_a_closed_engine_is_a_generator_error(embedded: Embedded):
    await embedded.aclose()
    with pytest.raises(GeneratorError, match="not running"):
        await sample(embedded, GREEDY)
