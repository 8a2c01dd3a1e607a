"""The fakes and the virtual clock are part of the product, so they are tested like one."""

import asyncio
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.ports import Draw, GeneratorError, ScorerError, Tally
from router.testing import FakeGenerator, FakeScorer, run
from router.types import ROOT, Candidate, Finish, Message, Problem, Sample

PROBLEM = Problem((Message("system", "be brief"), Message("user", "one two three")))


def draw(**changes: object) -> Draw:
    fields: dict[str, object] = {"count": 1, "seed": 7, "max_tokens": 100, "whole": True, "temperature": 0.8}
    return Draw(problem=PROBLEM, **({"prefix": ROOT} | fields | changes))  # type: ignore[arg-type]


async def drawn(generator: FakeGenerator, order: Draw, tally: Tally | None = None) -> list[tuple[int, Sample]]:
    return [item async for item in generator.sample(order, tally or Tally())]


def test_a_year_of_sleep_takes_no_time_and_passes_all_the_same():
    async def main() -> float:
        await asyncio.sleep(365 * 86_400)
        return asyncio.get_running_loop().time()

    start = time.monotonic()
    assert run(main()) == pytest.approx(365 * 86_400)
    assert time.monotonic() - start < 5


@given(st.lists(st.floats(0, 100), min_size=1, max_size=8))
def test_sleepers_wake_in_order_at_the_time_they_asked_for(naps: list[float]):
    woken = list[tuple[float, float]]()

    async def nap(seconds: float) -> None:
        await asyncio.sleep(seconds)
        woken.append((asyncio.get_running_loop().time(), seconds))

    async def main() -> None:
        await asyncio.gather(*(nap(n) for n in naps))

    run(main())
    assert [when for when, _ in woken] == sorted(when for when, _ in woken)
    assert all(when == pytest.approx(seconds, abs=1e-6) for when, seconds in woken)


def test_a_timeout_fires_on_the_virtual_clock():
    async def main() -> float:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5):
                await asyncio.sleep(50)
        return asyncio.get_running_loop().time()

    assert run(main()) == pytest.approx(5)


def test_each_run_starts_at_time_zero_and_returns_its_result():
    async def main() -> float:
        return asyncio.get_running_loop().time()

    assert run(main()) == 0.0 == run(main())


def test_an_exception_passes_through():
    async def main() -> None:
        await asyncio.sleep(1)
        raise LookupError("lost")

    with pytest.raises(LookupError, match="lost"):
        run(main())


def test_waiting_for_what_never_comes_is_an_error_and_no_hang(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("router.testing._PATIENCE", 0.01)

    async def main() -> None:
        await asyncio.get_running_loop().create_future()

    with pytest.raises(RuntimeError, match="deadlock"):
        run(main())


def test_a_thread_may_still_bring_something():
    async def main() -> str:
        loop, future = asyncio.get_running_loop(), asyncio.get_running_loop().create_future()
        threading.Timer(0.02, loop.call_soon_threadsafe, args=(future.set_result, "here")).start()
        return await future

    assert run(main()) == "here"


def test_the_fake_counts_words_and_takes_its_time_for_each():
    generator = FakeGenerator(lambda _text, _seed: "a b c", seconds=2.0)
    tally = Tally()

    async def main() -> tuple[list[tuple[int, Sample]], float]:
        return await drawn(generator, draw(), tally), asyncio.get_running_loop().time()

    samples, seconds = run(main())
    assert samples == [(0, Sample("a b c", 3, Finish.EOS))]
    assert (seconds, tally.tokens, generator.drawn, generator.active) == (6.0, 3, 1, 0)


def test_the_fake_measures_words():
    measure = run(FakeGenerator(lambda _text, _seed: "", context=50).measure(PROBLEM))
    assert (measure.prompt_tokens, measure.room) == (5, 45)


def test_shorter_samples_come_first():
    generator = FakeGenerator(lambda _text, seed: "w " * (10 - seed) + "end", seconds=1.0)
    samples = run(drawn(generator, draw(count=3, seed=0)))
    assert [j for j, _ in samples] == [2, 1, 0]


def test_a_step_ends_after_a_blank_line_and_the_last_one_ends_the_answer():
    generator = FakeGenerator(lambda text, _seed: "one\n\ntwo\n\n"[len(text) :])
    [(_, first)] = run(drawn(generator, draw(whole=False)))
    [(_, second)] = run(drawn(generator, draw(whole=False, prefix=Candidate(text=first.text))))
    [(_, whole)] = run(drawn(generator, draw()))
    assert (first.text, first.finish) == ("one\n\n", Finish.STEP)
    assert (second.text, second.finish) == ("two\n\n", Finish.EOS)
    assert (whole.text, whole.finish) == ("one\n\ntwo\n\n", Finish.EOS)


def test_the_limit_cuts_a_sample():
    [(_, sample)] = run(drawn(FakeGenerator(lambda _t, _s: "a b c d"), draw(max_tokens=2)))
    assert sample == Sample("a b", 2, Finish.LENGTH)


def test_the_deadline_cuts_a_sample_to_what_it_can_have_by_then():
    generator = FakeGenerator(lambda _t, _s: "a b c d", seconds=1.0)

    async def main() -> tuple[list[tuple[int, Sample]], float]:
        return await drawn(generator, draw(deadline=2.5)), asyncio.get_running_loop().time()

    assert run(main()) == ([(0, Sample("a b", 2, Finish.LENGTH))], 2.5)
    assert run(drawn(generator, draw(deadline=-1.0))) == [(0, Sample("", 0, Finish.LENGTH))]


@pytest.mark.parametrize(("lose", "came"), [(0, 3), (1, 2), (3, 0), (5, 0)])
def test_lost_samples_do_not_come(lose: int, came: int):
    generator = FakeGenerator(lambda _t, _s: "a", lose=lose)
    assert len(run(drawn(generator, draw(count=3)))) == came
    assert generator.active == 0


def test_a_failing_generator_fails_and_leaves_nothing_running():
    generator = FakeGenerator(lambda _t, _s: "a", fail=True)
    with pytest.raises(GeneratorError):
        run(drawn(generator, draw()))
    assert generator.active == 0


def test_the_text_of_a_sample_is_reported_as_it_comes():
    pieces = list[str]()

    async def main() -> None:
        async for _ in FakeGenerator(lambda _t, _s: "a b").sample(draw(), Tally(), pieces.append):
            pass

    run(main())
    assert pieces == ["a b"]


def test_an_abandoned_call_tells_what_it_had_generated():
    generator, tally = FakeGenerator(lambda _t, seed: "a " * 9 + "b" if seed else "a b", seconds=1.0), Tally()

    async def main() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5.5):
                await drawn(generator, draw(count=3, seed=0), tally)

    run(main())
    assert (tally.tokens, generator.active) == (2 + 5 + 5, 0)


def test_the_fake_scorer_judges_every_prefix_and_counts_prompt_and_text():
    seen = list[str]()

    def judge(text: str) -> float:
        seen.append(text)
        return 0.5

    scores = run(FakeScorer(judge).score(PROBLEM, [Candidate(text="a\n\nb\n\n", tokens=3), Candidate()], 5))
    assert seen == ["a", "a\n\nb"]
    assert (scores.rewards, scores.tokens) == (((0.5, 0.5), ()), 5 + 3 + 5 + 0)


def test_the_fake_scorer_never_takes_more_than_its_bill():
    scorer = FakeScorer(lambda _t: 1.0)
    scores = run(scorer.score(PROBLEM, [Candidate(text="a", tokens=4)], 2))
    assert scores.tokens <= scorer.bill(5, 4)


def test_the_fake_scorer_fails_after_as_many_calls_as_it_was_told():
    scorer = FakeScorer(lambda _t: 1.0, fail_after=1)
    run(scorer.score(PROBLEM, [], 2))
    with pytest.raises(ScorerError):
        run(scorer.score(PROBLEM, [], 2))
