"""Every way of running a model gives the rewards of its authors' own single-example code."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from server.prm.families import load_family
from server.prm.hosts.transformers import TransformersHost, TransformersOptions
from server.prm.ports import Family, Item

from ..originals import ORIGINALS

FAMILIES = tuple(ORIGINALS)

RAGGED = (
    Item("How many primes are there?", ("There is 1.",)),
    Item("What is 12 + 30 - 17?", ("The sum of 12 and 30 is 42.", "Therefore 42 - 17 = 25.", "It is $\\boxed{25}$.")),
    Item("What is 12 + 30 - 17?", ("The sum of 12 and 30 is 42.", "Hence 42 - 17 = 24.")),
    Item("日本語 größer?", tuple(f"{i} + {i} = {2 * i}, and so on." for i in range(40))),
    Item("What is 12 + 30 - 17?", ("The sum of 12 and 30 is 42.",), finished=False),
)


def near(expected: list[float]) -> Any:
    return pytest.approx(expected, rel=1e-4, abs=1e-7)


async def rewards_of(host: TransformersHost, family: Family, items: Sequence[Item]) -> list[tuple[float, ...]]:
    passages = [family.lay_out(item) for item in items]
    readings = await host.read(passages)
    return [family.rewards(p, reading.values) for p, reading in zip(passages, readings, strict=True)]


@pytest.mark.parametrize("cache_tokens", [0, 100_000])
@pytest.mark.parametrize("name", FAMILIES)
async def test_a_ragged_batch_has_the_rewards_of_the_original(
    made: Callable[[str], Path], name: str, cache_tokens: int
) -> None:
    folder = made(name)
    family = load_family(name, folder)
    host = TransformersHost(folder, family.head, TransformersOptions(threads=1, cache_tokens=cache_tokens))
    await host.start()
    rewards = await rewards_of(host, family, RAGGED)
    await host.aclose()
    expected = [ORIGINALS[name](folder, item) for item in RAGGED]
    assert [list(r) for r in rewards] == [near(e) for e in expected]
    every = [reward for one in expected for reward in one]
    assert max(every) > 2.0 * min(every)  # else the agreement would say nothing


@pytest.mark.parametrize("name", FAMILIES)
async def test_an_item_that_grows_step_by_step_has_the_rewards_of_the_original(
    made: Callable[[str], Path], name: str
) -> None:
    folder = made(name)
    family = load_family(name, folder)
    host = TransformersHost(folder, family.head, TransformersOptions(threads=1))
    await host.start()
    whole = RAGGED[3]
    rewards = dict[int, tuple[float, ...]]()
    for count in range(1, 41):
        part = replace(whole, steps=whole.steps[:count], finished=count == 40)
        rewards[count] = (await rewards_of(host, family, [part]))[0]
    await host.aclose()
    for count in (1, 2, 20, 40):
        part = replace(whole, steps=whole.steps[:count], finished=count == 40)
        assert list(rewards[count]) == near(ORIGINALS[name](folder, part))
