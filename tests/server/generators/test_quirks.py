"""Servers that are OpenAI-compatible more or less."""

import pytest

from router.ports import GeneratorError, Tally
from router.types import ROOT, Finish

from .conftest import MakeFake, MakeGenerator, drawn, ordered, until


def quirky(*names: str) -> frozenset[str]:
    return frozenset(names)


@pytest.mark.parametrize("quirk", ["single", "refuses n"])
async def test_a_server_without_n_is_asked_for_each_sample_alone(
    make_fake: MakeFake, make_generator: MakeGenerator, quirk: str
):
    fake = await make_fake(quirks=quirky(quirk))
    generator = await make_generator(fake)
    honest = await make_generator(await make_fake())
    want = [s.text for s in await drawn(honest, ordered(5, temperature=2.0))]
    assert [s.text for s in await drawn(generator, ordered(5, temperature=2.0))] == want
    assert fake.stats["started"] == 5
    calls = len(fake.bodies)
    await drawn(generator, ordered(5))
    assert fake.stats["started"] == 10
    assert [body["n"] for body in fake.bodies[calls:]] == [1] * 5


@pytest.mark.parametrize("quirk", ["json", "endless"])
async def test_replies_in_other_shapes_are_understood(make_fake: MakeFake, make_generator: MakeGenerator, quirk: str):
    fake = await make_fake(quirks=quirky(quirk))
    generator, honest = await make_generator(fake), await make_generator(await make_fake())
    tally = Tally()
    samples = await drawn(generator, ordered(4), tally)
    want = await drawn(honest, ordered(4))
    assert [(s.text, s.tokens, s.finish) for s in samples] == [(s.text, s.tokens, s.finish) for s in want]
    assert tally.tokens == sum(s.tokens for s in samples) == fake.stats["tokens"]


@pytest.mark.parametrize("quirks", [("json", "no ids"), ("no ids",)])
async def test_a_sample_without_ids_is_counted_by_the_server(
    make_fake: MakeFake, make_generator: MakeGenerator, quirks: tuple[str, ...]
):
    fake = await make_fake(quirks=quirky(*quirks))
    generator = await make_generator(fake)
    sample = (await drawn(generator, ordered(1)))[0]
    assert sample.tokens == fake.stats["tokens"]
    assert sample.ids == ()


async def test_samples_without_ids_of_one_call_are_counted_by_their_pieces_and_the_last_by_what_is_left(
    make_fake: MakeFake, make_generator: MakeGenerator
):
    fake = await make_fake(quirks=quirky("no ids"))
    tally = Tally()
    samples = await drawn(await make_generator(fake), ordered(4), tally)
    assert sorted(s.tokens for s in samples) == [29, 29, 29, 33]  # the end has no text
    assert tally.tokens == fake.stats["tokens"] == 120


async def test_without_ids_the_text_is_continued(make_fake: MakeFake, make_generator: MakeGenerator):
    fake = await make_fake(quirks=quirky("no ids"))
    generator, honest = await make_generator(fake), await make_generator(await make_fake())
    want = (await drawn(honest, ordered(temperature=0.0)))[0]
    path = ROOT
    while not path.finished:
        path = path.extended(0, (await drawn(generator, ordered(prefix=path, whole=False, temperature=0.0)))[0])
    assert (path.text, path.ids) == (want.text, ())
    assert fake.bodies[-1]["prompt"][10:] == list(want.ids[: len(fake.bodies[-1]["prompt"]) - 10])


async def test_a_server_that_stops_nowhere_is_stopped_here(make_fake: MakeFake, make_generator: MakeGenerator):
    fake = await make_fake(quirks=quirky("no stop"))
    generator = await make_generator(fake)
    fake.fail("slow", seconds=0.005)
    samples = await drawn(generator, ordered(2, whole=False))
    assert [s.finish for s in samples] == [Finish.STEP] * 2
    assert all(s.text.endswith("\n\n") and s.text.count("\n\n") == 1 for s in samples)
    await until(lambda: fake.stats["aborted"] == 2)


async def test_any_other_server_gets_conversations(make_fake: MakeFake, make_generator: MakeGenerator):
    fake = await make_fake(owner="someone")
    generator = await make_generator(fake, system="Think.")
    measure = await generator.measure(ordered().problem)
    assert (measure.prompt_tokens, measure.room) == (24, 32_768 - 24)
    samples = await drawn(generator, ordered(3, most=200))
    assert all(s.finish is Finish.EOS and "boxed" in s.text and s.tokens > 20 for s in samples)
    assert fake.bodies[0]["messages"][0] == {"role": "system", "content": "Think."}
    steps = await drawn(generator, ordered(2, whole=False))
    assert [s.finish for s in steps] == [Finish.EOS] * 2


async def test_without_prefill_a_conversation_cannot_be_continued(make_fake: MakeFake, make_generator: MakeGenerator):
    generator = await make_generator(await make_fake(owner="someone"))
    begun = ROOT.extended(0, (await drawn(generator, ordered(most=5)))[0])
    with pytest.raises(GeneratorError, match="cannot continue") as caught:
        await drawn(generator, ordered(prefix=begun))
    assert caught.value.refusal


async def test_without_prefill_what_breaks_off_is_lost(make_fake: MakeFake, make_generator: MakeGenerator):
    fake = await make_fake(owner="someone")
    generator = await make_generator(fake)
    fake.fail("drop", after_chunks=9, times=1)
    with pytest.raises(GeneratorError, match="broke off"):
        await drawn(generator, ordered(2))
    assert fake.stats["calls"] == 1


async def test_with_prefill_a_conversation_is_continued_step_by_step(
    make_fake: MakeFake, make_generator: MakeGenerator
):
    fake = await make_fake(owner="someone")
    generator = await make_generator(fake, prefill=True, context=512)
    whole = (await drawn(generator, ordered(temperature=0.0)))[0]
    path = ROOT
    while not path.finished:
        steps = await drawn(generator, ordered(2, prefix=path, whole=False, temperature=0.0))
        path = path.extended(0, steps[0])
    assert path.text == whole.text
    assert fake.bodies[-1]["messages"][-1]["role"] == "assistant"
    assert {body["n"] for body in fake.bodies} == {1}
    fake.fail("drop", after_chunks=9, times=1)
    assert (await drawn(generator, ordered(temperature=0.0)))[0].text == whole.text
