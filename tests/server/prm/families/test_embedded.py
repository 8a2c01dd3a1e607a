"""The embedded verifier, hosted by torch, is the embedded verifier."""

from collections.abc import AsyncGenerator
from pathlib import Path
from random import Random

import pytest

import server.embedded
from router.extraction import split_steps
from router.ports import Draw, Tally
from router.types import ROOT, Candidate, Finish, Message, Problem
from server.embedded import Embedded, load
from server.embedded.problems import family as problems
from server.prm.families import load_family
from server.prm.hosts.transformers import TransformersHost, TransformersOptions
from server.prm.ports import Item

VERIFIER = Path(server.embedded.__file__).parent / "weights" / "verifier"


@pytest.fixture
async def embedded() -> AsyncGenerator[Embedded]:
    models = load()
    models.start()
    yield models
    await models.aclose()


async def drawn(models: Embedded, problem: Problem, *, whole: bool) -> list[Candidate]:
    draw = Draw(problem, ROOT, 6, seed=3, max_tokens=300, whole=whole, temperature=1.0)
    return [ROOT.extended(j, sample) async for j, sample in models.generator.sample(draw, Tally())]


async def test_its_rewards_are_those_of_the_numpy_engine(embedded: Embedded) -> None:
    family = load_family("implicit", VERIFIER)
    host = TransformersHost(VERIFIER, family.head, TransformersOptions(threads=1))
    await host.start()
    rng, compared = Random(1), list[float]()
    for level in range(1, 6):
        problem = Problem((Message("user", problems.make(rng, level=level).question),))
        candidates = await drawn(embedded, problem, whole=True) + await drawn(embedded, problem, whole=False)
        assert {c.finish for c in candidates} <= {Finish.EOS, Finish.STEP}
        expected = (await embedded.scorer.score(problem, candidates, 30)).rewards
        items = [Item(problem.question, split_steps(c.text), c.finish is Finish.EOS) for c in candidates]
        passages = [family.lay_out(item) for item in items]
        readings = await host.read(passages)
        rewards = [family.rewards(p, r.values) for p, r in zip(passages, readings, strict=True)]
        assert rewards == [pytest.approx(e, abs=1e-3) for e in expected]
        compared += [reward for one in expected for reward in one]
    await host.aclose()
    assert len(compared) > 100
    assert min(compared) < 0.3  # wrong steps are among them
