"""The embedded models, served by vLLM as language models, judge as they do in this process."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import numpy as np
import pytest
import pytest_asyncio

from router.types import Candidate, Finish, Message, Problem
from server.embedded import Embedded, load
from server.embedded.problems.problem import solution
from server.embedded.problems.splits import draw
from server.prm.families import load_family
from server.prm.hosts.ratio import RatioHost
from server.prm.hosts.transformers import TransformersHost, TransformersOptions
from server.prm.hosts.vllm import VllmHost
from server.prm.ports import Item
from server.upstream import Pool

from .conftest import WEIGHTS

PRECISION = 1e-3


@pytest_asyncio.fixture
async def embedded() -> AsyncIterator[Embedded]:
    bundle = load()
    bundle.start()
    yield bundle
    await bundle.aclose()


@pytest_asyncio.fixture
async def host(verifier_url: str) -> AsyncIterator[VllmHost]:
    remote = VllmHost(Pool("verifier", [verifier_url]), load_family("implicit", WEIGHTS / "verifier").head)
    try:
        await remote.start()
        yield remote
    finally:
        await remote.aclose()


def candidates(text: str) -> list[Candidate]:
    """A right solution, a wrong one, and the first steps of each."""
    first, _, _ = text.partition("\n\n")
    spoilt = first.translate(str.maketrans("123456789", "234567891"))
    whole = [Candidate(text=t, finish=Finish.EOS) for t in (text, text.replace(first, spoilt))]
    return [*whole, *(Candidate(text=t + "\n\n") for t in (first, spoilt))]


@pytest.mark.parametrize("level", range(1, 6))
async def test_vllm_and_the_embedded_engine_give_the_same_rewards(
    embedded: Embedded, host: VllmHost, level: int
) -> None:
    family, seen = load_family("implicit", WEIGHTS / "verifier"), list[float]()
    for task in (task for task in draw("test", 2, seed=3) if task.level == level):
        tried = candidates(solution(task))
        expected = (await embedded.scorer.score(Problem((Message("user", task.question),)), tried, 2)).rewards
        items = [
            Item(task.question, tuple(c.text.rstrip("\n").split("\n\n")), finished=c.finish is Finish.EOS)
            for c in tried
        ]
        passages = [family.lay_out(item) for item in items]
        for passage, reading, rewards in zip(passages, await host.read(passages), expected, strict=True):
            assert family.rewards(passage, reading.values) == pytest.approx(rewards, abs=PRECISION)
            seen += rewards
    assert np.ptp(seen) > 0.1


async def test_the_log_ratio_of_two_models_on_vllm_is_that_of_the_two_in_this_process(
    verifier_url: str, generator_urls: list[str]
) -> None:
    family = load_family("log-ratio", WEIGHTS / "verifier", beta=0.3)
    there = RatioHost(*(VllmHost(Pool("vllm", [url]), family.head) for url in (verifier_url, generator_urls[0])))
    one = TransformersOptions(threads=1)
    here = RatioHost(*(TransformersHost(WEIGHTS / name, family.head, one) for name in ("verifier", "generator")))
    items = [Item(task.question, tuple(solution(task).split("\n\n"))) for task in draw("test", 2, seed=4)]
    passages = [family.lay_out(item) for item in items]
    async with AsyncExitStack() as stack:
        for host in (there, here):
            stack.push_async_callback(host.aclose)
            await host.start()
        found, expected = [
            [family.rewards(p, r.values) for p, r in zip(passages, await host.read(passages), strict=True)]
            for host in (there, here)
        ]
    assert np.ptp([reward for rewards in expected for reward in rewards]) > 0.1
    for some, others in zip(found, expected, strict=True):
        assert some == pytest.approx(others, abs=PRECISION)
