import asyncio
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import pytest

from router.ports import GeneratorError, Measure, ProblemTooLong, Tally
from router.types import ROOT, Finish, Message, Problem
from server.generators import VLLM, Dialect, GeneratorOptions, PoolGenerator
from server.upstream import Pool, PoolOptions
from tests.fakes.vllm import FakeVLLM

from .conftest import QUESTION, MakeFake, MakeGenerator, drawn, ordered, ready


def asking(text: str, **extra: Any) -> Problem:
    return Problem((Message("user", text),), extra=MappingProxyType(extra))


async def test_the_prompt_is_counted_as_the_server_renders_it(generator: PoolGenerator):
    assert generator.name == "test"
    assert generator.pool.healthy == 1
    assert await generator.measure(QUESTION) == Measure(10, 502)


async def test_a_prompt_that_fills_the_context_is_too_long(generator: PoolGenerator):
    with pytest.raises(ProblemTooLong) as caught:
        await generator.measure(asking("1 + " * 300))
    assert caught.value.context == 512
    assert caught.value.prompt_tokens >= 512


async def test_a_question_is_rendered_once(generator: PoolGenerator, fake: FakeVLLM):
    await generator.measure(QUESTION)
    await drawn(generator, ordered(2))
    await drawn(generator, ordered(2, whole=False))
    assert fake.stats["tokenized"] == 1


async def test_many_questions_do_not_pile_up(generator: PoolGenerator, fake: FakeVLLM, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("server.generators.generator._PROMPTS", 2)
    for text in ("a", "b", "c", "a", "c"):
        await generator.measure(asking(text))
    assert fake.stats["tokenized"] == 4


async def test_the_template_gets_its_arguments_and_they_make_another_prompt(generator: PoolGenerator, fake: FakeVLLM):
    await generator.measure(asking("a"))
    await generator.measure(asking("a", chat_template_kwargs={"enable_thinking": False}))
    assert fake.stats["tokenized"] == 2


async def test_exactly_n_samples_come_from_one_call(generator: PoolGenerator, fake: FakeVLLM):
    tally = Tally()
    samples = await drawn(generator, ordered(16), tally)
    assert len(samples) == 16
    assert (fake.stats["calls"], fake.stats["started"], fake.stats["finished"]) == (1, 16, 16)
    assert tally.tokens == sum(s.tokens for s in samples) == fake.stats["tokens"]
    assert all(len(s.ids) == s.tokens for s in samples)


async def test_samples_beyond_what_one_call_may_have_share_further_calls(make_generator: MakeGenerator, fake: FakeVLLM):
    generator = await make_generator(fake, samples_per_call=3)
    assert len(await drawn(generator, ordered(7))) == 7
    assert sorted(body["n"] for body in fake.bodies) == [1, 3, 3]
    assert sorted(body["seed"] for body in fake.bodies) == [7, 10, 13]


async def test_the_seed_of_a_sample_does_not_depend_on_how_many_are_drawn(generator: PoolGenerator):
    together = await drawn(generator, ordered(4, seed=20, temperature=2.0))
    alone = [(await drawn(generator, ordered(1, seed=20 + j, temperature=2.0)))[0] for j in range(4)]
    assert [s.text for s in together] == [s.text for s in alone]
    assert len({s.text for s in together}) > 1


async def test_seeds_at_the_end_of_their_range_begin_again(generator: PoolGenerator, fake: FakeVLLM):
    assert len(await drawn(generator, ordered(3, seed=2**63 - 2))) == 3
    assert sorted((body["seed"], body["n"]) for body in fake.bodies) == [(0, 1), (2**63 - 2, 2)]


async def test_greedy_samples_have_calls_of_their_own(generator: PoolGenerator, fake: FakeVLLM):
    samples = await drawn(generator, ordered(3, temperature=0.0))
    assert len({s.text for s in samples}) == 1
    assert [(body["n"], body["temperature"]) for body in fake.bodies] == [(1, 0.0)] * 3


async def test_an_answer_is_continued_step_by_step_from_its_own_tokens(generator: PoolGenerator, fake: FakeVLLM):
    whole = (await drawn(generator, ordered(temperature=0.0)))[0]
    path, prompt = ROOT, list[int]()
    while not path.finished:
        path = path.extended(0, (await drawn(generator, ordered(temperature=0.0, prefix=path, whole=False)))[0])
        prompt = prompt or fake.bodies[-1]["prompt"]
    assert (path.text, path.ids, path.finish) == (whole.text, whole.ids, Finish.EOS)
    assert len(path.path) == whole.text.count("\n\n") + 1
    assert fake.bodies[-1]["prompt"] == [*prompt, *path.ids][: len(fake.bodies[-1]["prompt"])]


async def test_a_sample_ends_at_its_limit(generator: PoolGenerator):
    samples = await drawn(generator, ordered(2, most=5))
    assert [(s.tokens, s.finish) for s in samples] == [(5, Finish.LENGTH)] * 2


async def test_where_no_room_is_left_nothing_is_drawn(generator: PoolGenerator, fake: FakeVLLM):
    full = replace(ROOT, path=(0,), text="x", tokens=502, ids=(5,) * 502)
    samples = await drawn(generator, ordered(2, prefix=full))
    assert [(s.text, s.tokens, s.finish) for s in samples] == [("", 0, Finish.LENGTH)] * 2
    assert fake.stats["calls"] == 0


async def test_the_stop_string_of_a_client_ends_an_answer(generator: PoolGenerator, fake: FakeVLLM):
    problem = replace(QUESTION, stop=("Step 2", ""))
    for whole in (True, False):
        path = ROOT
        while not path.finished:
            draw = ordered(problem=problem, prefix=path, whole=whole, temperature=0.0)
            path = path.extended(0, (await drawn(generator, draw))[0])
        assert path.finish is Finish.EOS
        assert path.text.endswith("\n\n## ")
        assert "" not in fake.bodies[-1]["stop"]


async def test_a_blank_line_as_the_stop_string_of_a_client_ends_the_answer(generator: PoolGenerator):
    problem = replace(QUESTION, stop=("\n\n",))
    sample = (await drawn(generator, ordered(problem=problem, whole=False, temperature=0.0)))[0]
    assert sample.finish is Finish.EOS
    assert not sample.text.endswith("\n")


async def test_text_comes_as_it_is_written(generator: PoolGenerator):
    pieces = list[str]()
    samples = [sample async for _, sample in generator.sample(ordered(), Tally(), pieces.append)]
    assert len(pieces) > 3
    assert "".join(pieces) == samples[0].text


async def test_what_a_client_asks_for_besides_reaches_the_server(generator: PoolGenerator, fake: FakeVLLM):
    problem = asking("What is 3 + 4?", top_k=5, min_p=0.1, logit_bias={"3": 1.0}, min_tokens=20, priority=2)
    await drawn(generator, ordered(problem=replace(problem, top_p=0.9), most=10, temperature=0.7))
    body = fake.bodies[0]
    assert (body["top_k"], body["min_p"], body["logit_bias"], body["priority"]) == (5, 0.1, {"3": 1.0}, 2)
    assert (body["top_p"], body["temperature"], body["min_tokens"]) == (0.9, 0.7, 10)


async def test_log_probabilities_come_as_clients_know_them(generator: PoolGenerator):
    problem = asking("What is 3 + 4?", logprobs=True, top_logprobs=1)
    sample = (await drawn(generator, ordered(problem=problem)))[0]
    assert len(sample.logprobs) == sample.tokens
    assert sample.logprob == pytest.approx(sum(entry["logprob"] for entry in sample.logprobs))
    assert "".join(entry["token"] for entry in sample.logprobs) == sample.text
    entry = sample.logprobs[0]
    assert entry["bytes"] == list(entry["token"].encode())
    assert [set(top) for top in entry["top_logprobs"]] == [{"token", "logprob", "bytes"}]


async def test_alternatives_that_were_not_asked_for_are_left_out(generator: PoolGenerator):
    sample = (await drawn(generator, ordered(problem=asking("What is 3 + 4?", logprobs=True))))[0]
    assert {len(entry["top_logprobs"]) for entry in sample.logprobs} == {0}


async def test_without_asking_there_are_no_log_probabilities(generator: PoolGenerator):
    sample = (await drawn(generator, ordered()))[0]
    assert (sample.logprobs, sample.logprob) == ((), 0.0)


async def test_what_the_server_refuses_is_a_refusal(generator: PoolGenerator, fake: FakeVLLM):
    fake.fail("400")
    with pytest.raises(GeneratorError, match="told to fail") as caught:
        await drawn(generator, ordered(2))
    assert caught.value.refusal
    assert fake.stats["calls"] == 1


async def test_a_model_that_is_gone_is_nobodys_refusal(make_generator: MakeGenerator, fake: FakeVLLM):
    generator = await make_generator(fake)
    fake.name = "renamed"
    with pytest.raises(GeneratorError, match="404") as caught:
        await generator.measure(QUESTION)
    assert not caught.value.refusal


async def test_nobody_is_asked_before_it_is_known_who_they_are():
    generator = PoolGenerator(Pool("test", ["http://127.0.0.1:9"]), None, "test", GeneratorOptions())
    with pytest.raises(GeneratorError, match="no server has answered"):
        await generator.measure(QUESTION)
    with pytest.raises(GeneratorError):
        await drawn(generator, ordered())
    await generator.aclose()


async def test_a_server_that_comes_later_is_found(
    make_fake: MakeFake, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setattr("server.generators.generator._DETECTION_SECONDS", 0.01)
    fake = await make_fake()
    port = int(fake.url.rsplit(":", 1)[1])
    await fake.aclose()
    pool = Pool("test", [fake.url], options=PoolOptions(health_seconds=0))
    generator = PoolGenerator(pool, None, "test", GeneratorOptions())
    await generator.start()
    while "does not answer" not in caplog.text:
        assert not generator.reachable
        await asyncio.sleep(0.01)
    late = FakeVLLM()
    await late.start(port)
    await ready(generator)
    assert len(await drawn(generator, ordered(2))) == 2
    await generator.aclose()
    await generator.aclose()
    await late.aclose()


async def test_no_answer_ends_the_search_for_a_server(
    make_generator: MakeGenerator, fake: FakeVLLM, monkeypatch: pytest.MonkeyPatch
):
    answers = [RecursionError(), VLLM("generator")]

    async def found(*_: object) -> Dialect:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr("server.generators.generator._DETECTION_SECONDS", 0.01)
    monkeypatch.setattr("server.generators.generator.detect", found)
    assert await drawn(await make_generator(fake), ordered())
    assert not answers


async def test_a_pool_in_which_nobody_is_well_is_not_ready(make_generator: MakeGenerator, fake: FakeVLLM):
    generator = await make_generator(fake)
    generator.pool.replicas[0].died()
    assert not generator.reachable
    assert await drawn(generator, ordered())  # the witness may err: it is asked all the same
