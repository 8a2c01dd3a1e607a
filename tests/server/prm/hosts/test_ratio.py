import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from server.prm.families import load_family
from server.prm.hosts.ratio import RatioHost
from server.prm.hosts.transformers import TransformersHost, TransformersOptions
from server.prm.ports import HostError, Item, Passage, Reading

from ..models import causal
from ..originals import step_logprobs

PASSAGE = Passage((1, 2, 3), (1, 2), ((0, 2),))


@dataclass
class FakeHost:
    name: str
    values: Sequence[Sequence[float]] = ((-1.0,), (-2.0,))
    computed: int = 3
    context: int = 100
    failure: Exception | None = None
    waits: bool = False
    log: list[str] = field(default_factory=list[str])

    async def start(self) -> None:
        self.log.append("start")
        if self.failure:
            raise self.failure

    async def aclose(self) -> None:
        self.log.append("close")
        if self.failure:
            raise self.failure

    async def read(self, passages: Sequence[Passage]) -> list[Reading]:
        if self.failure:
            raise self.failure
        try:
            if self.waits:
                await asyncio.Event().wait()
        finally:
            self.log.append("read")
        return [Reading(np.array(self.values, np.float32), self.computed) for _ in passages]


async def test_it_reads_the_difference() -> None:
    host = RatioHost(FakeHost("trained", computed=2), FakeHost("base", ((-1.5,), (-1.0,)), computed=3, context=50))
    (reading,) = await host.read([PASSAGE])
    assert reading.values.tolist() == [[0.5], [-1.0]]
    assert (reading.computed, host.name, host.context) == (3, "trained", 50)


async def test_models_that_read_differently_are_an_error() -> None:
    host = RatioHost(FakeHost("trained"), FakeHost("base", ((-1.5,),)))
    with pytest.raises(HostError, match="different numbers"):
        await host.read([PASSAGE])


async def test_what_fails_to_start_leaves_nothing_running() -> None:
    model, reference = FakeHost("trained"), FakeHost("base", failure=HostError("no weights"))
    with pytest.raises(HostError, match="no weights"):
        await RatioHost(model, reference).start()
    assert model.log == ["start", "close"]


async def test_both_are_closed_even_if_one_fails() -> None:
    model, reference = FakeHost("trained", failure=RuntimeError("stuck")), FakeHost("base")
    await RatioHost(FakeHost("a"), FakeHost("b")).aclose()
    with pytest.raises(RuntimeError, match="stuck"):
        await RatioHost(model, reference).aclose()
    assert model.log == reference.log == ["close"]


async def test_when_one_fails_the_other_is_not_left_reading() -> None:
    slow = FakeHost("trained", waits=True)
    with pytest.raises(HostError, match="gone"):
        await RatioHost(slow, FakeHost("base", failure=HostError("gone"))).read([PASSAGE])
    await asyncio.sleep(0)
    assert slow.log == ["read"]


async def test_the_rewards_are_those_of_the_paper(made: Callable[[str], Path], tmp_path: Path) -> None:
    folders = made("log-ratio"), causal(tmp_path / "reference", seed=8)
    family = load_family("log-ratio", folders[0], beta=0.05)
    options = TransformersOptions(threads=1)
    host = RatioHost(*(TransformersHost(folder, family.head, options) for folder in folders))
    item = Item("What is 12 + 30 - 17?", ("The sum is 42.", "Then 42 - 17 = 25.", "The answer is 25."))
    await host.start()
    passage = family.lay_out(item)
    (reading,) = await host.read([passage])
    rewards = family.rewards(passage, reading.values)
    await host.aclose()
    (ours, spans), (theirs, _) = (step_logprobs(folder, item) for folder in folders)
    sums = [0.05 * float((ours - theirs)[start:stop].sum()) for start, stop in spans]
    assert rewards == pytest.approx([1 / (1 + np.exp(-total)) for total in sums], abs=1e-5)
    assert max(rewards) - min(rewards) > 0.01
